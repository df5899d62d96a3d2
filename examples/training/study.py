"""Optuna: a study is a run, and each trial a run below it, with all that the objective fits and logs."""

import optuna
from sklearn.datasets import load_iris
from sklearn.model_selection import cross_val_score
from sklearn.svm import SVC

import mlgitops

mlgitops.autolog()
optuna.logging.set_verbosity(optuna.logging.WARNING)
X, y = load_iris(return_X_y=True)


def objective(trial: optuna.Trial) -> float:
    model = SVC(
        C=trial.suggest_float("C", 1e-2, 1e2, log=True), gamma=trial.suggest_float("gamma", 1e-3, 1.0, log=True)
    )
    folds = cross_val_score(model, X, y, cv=3)
    mlgitops.log_metric("fold_deviation", folds.std())
    return float(folds.mean())


study = optuna.create_study(study_name="svm", direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
study.optimize(objective, n_trials=10)
print(f"best: {study.best_params}, accuracy {study.best_value:.3f}")
