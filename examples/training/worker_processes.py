"""multiprocessing by spawn: workers get the run's handle and log into it, each in a file of its own."""

import multiprocessing

import mlgitops


def train_fold(job: tuple[mlgitops.Run, int]) -> float:
    run, fold = job
    score = 0.9 + fold / 100
    for step in range(20):
        run.log_metric("score", score - 1 / (step + 1), step=step, context={"fold": fold})
    return score


if __name__ == "__main__":
    with mlgitops.start_run("folds", experiment="processes") as run:
        with multiprocessing.get_context("spawn").Pool(2) as pool:
            scores = pool.map(train_fold, [(run, fold) for fold in range(4)])
        mlgitops.log_metric("mean_score", sum(scores) / len(scores))
