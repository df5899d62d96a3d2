"""Optuna: a study is a run, each of its trials a child run that is active while the objective runs."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from mlgitops.tracking import session
from mlgitops.tracking.autolog import children
from mlgitops.tracking.autolog.fits import Call, Fit, Observer, inside_of_no_fit, unnoticed
from mlgitops.tracking.autolog.patches import Patches
from mlgitops.tracking.run import Run


def install(module: ModuleType, patches: Patches) -> None:
    """Wrap ``Study.optimize``, once its module ran."""
    if module.__name__ == "optuna.study.study":
        patches.method(module.Study, "optimize", Optimizing)


class Optimizing(Observer):
    """One ``study.optimize``."""

    name = "optuna"

    def run_name(self, call: Call) -> str:
        """Return the study's name."""
        return str(call.args[0].study_name)

    def before(self, fit: Fit) -> None:
        """Log how the study searches, and have each trial make its run."""
        study, arguments = fit.call.args[0], fit.call.arguments()
        fit.run.log_params({name: arguments[name] for name in ("n_trials", "timeout", "n_jobs")})
        fit.run.log_params(
            {
                "direction": ",".join(direction.name.lower() for direction in study.directions),
                "sampler": type(study.sampler).__name__,
                "pruner": type(study.pruner).__name__,
            }
        )
        trials = Trials(fit.run)
        fit.call.put("func", trials.around)
        fit.call.put("callbacks", lambda given: [trials.end, *(given or ())])

    def after(self, fit: Fit, result: Any) -> None:
        """Log what was found."""
        del result
        study = fit.call.args[0]
        states = [trial.state.name.lower() for trial in study.trials]
        fit.run.log_metrics({f"trials_{state}": states.count(state) for state in set(states)})
        best = study.best_trials
        if len(study.directions) == 1 and best:
            fit.run.log_metrics({"best_value": best[0].value, "best_trial": best[0].number})
            fit.run.log_params({f"best_{name}": value for name, value in best[0].params.items()})


class Trials:
    """The runs of a study's trials, some of which may go on at once in threads."""

    def __init__(self, study_run: Run) -> None:
        self._study_run = study_run
        self._open: dict[int, Run] = {}

    def around(self, objective: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Return an objective that runs inside of its trial's run; what it logs or fits goes there."""

        def inside(trial: Any) -> Any:
            run = None
            with unnoticed("the start of a trial"):
                run = self._open[trial.number] = children.start(self._study_run, f"trial-{trial.number}")
            try:
                with inside_of_no_fit():
                    return objective(trial)
            except BaseException as error:
                if type(error).__name__ != "TrialPruned":
                    self._fail(trial.number, error)
                raise
            finally:
                if run is not None:
                    session.leave(run)

        return inside

    def end(self, study: Any, trial: Any) -> None:
        """Log what a trial came to; Optuna calls it after each one that did not stop the study."""
        del study
        run = self._open.pop(trial.number, None)
        if run is None:
            return
        with unnoticed("the end of a trial"):
            run.log_params(trial.params)
            run.set_tags({f"optuna.{name}": value for name, value in trial.user_attrs.items()})
            run.set_tag("optuna.state", trial.state.name.lower())
            for step, value in sorted(trial.intermediate_values.items()):
                run.log_metric("intermediate_value", value, step)
            for place, value in enumerate(trial.values or ()):
                run.log_metric("value" if len(trial.values) == 1 else f"value_{place}", value)
            children.end(run, "failed" if trial.state.name == "FAIL" else "finished")

    def _fail(self, number: int, error: BaseException) -> None:
        """Say why a trial failed; one whose errors are caught is ended by Optuna's callback all the same."""
        run = self._open.pop(number, None)
        if run is not None:
            with unnoticed("the end of a trial"):
                run.set_tag("optuna.state", "fail")
                children.end(run, "failed", f"{type(error).__name__}: {error}")
