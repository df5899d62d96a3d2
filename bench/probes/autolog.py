"""One figure of one autologger: what it adds to a fit of one estimator, in percent of the fit.

    python autolog.py ours|mlflow LogisticRegression|RandomForest|k-NN|SVC|XGBoost

Runs in the environment of whoever is measured. A timer is put around the framework's own
``fit`` before autologging is turned on, so that it is inside of it; what the call of the user
takes beyond that, and what callbacks of others than XGBoost take inside, is autologging. The
difference of two whole trainings would be lost in the noise of either. Two other fits come first: one
without autologging tells how many rows take ``SECONDS`` on this machine, and a small one has the process
import what it imports once, which is no part of the figure. The last line is the figure.
"""

from __future__ import annotations

import functools
import sys
import time
from typing import Any

import numpy as np

SECONDS = 14.0  # of the fit that is measured: 2 % of a shorter one is less than what autologging may always take
# Rows that take a few seconds, their columns, and the power of their number that the time grows with.
SIZES: dict[str, tuple[int, int, float]] = {
    "LogisticRegression": (100_000, 40, 1.2),
    "RandomForest": (10_000, 20, 1.1),
    "k-NN": (400_000, 10, 1.15),
    "SVC": (10_000, 20, 2.0),
    "XGBoost": (40_000, 20, 0.8),
}


class Timed:
    """Seconds that passed inside of a function."""

    seconds = 0.0

    def around(self, function: Any) -> Any:
        """Return the function with its time added up."""

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds += time.perf_counter() - began

        return timed


def estimator(name: str) -> Any:
    """Return an estimator that is not fitted."""
    if name == "LogisticRegression":
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(C=0.01, max_iter=150, tol=1e-9)
    if name == "RandomForest":
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(100, random_state=0)
    if name == "k-NN":
        from sklearn.neighbors import KNeighborsClassifier

        return KNeighborsClassifier(algorithm="kd_tree")
    if name == "SVC":
        from sklearn.svm import SVC

        return SVC()
    from xgboost import XGBClassifier

    return XGBClassifier(n_estimators=600, n_jobs=1)


def rows_of(count: int, columns: int) -> tuple[Any, Any]:
    """Return rows, and labels that they almost tell."""
    random = np.random.default_rng(0)
    rows = random.normal(size=(count, columns))
    labels = (rows[:, : columns // 2].sum(axis=1) + random.normal(size=count) > 0).astype(int)
    return rows * np.logspace(0, 1.5, columns), labels  # columns of different scales, as data has them


def rows_that_take(seconds: float, name: str, options: dict[str, Any]) -> tuple[Any, Any]:
    """Return so many rows and labels that an estimator needs about these seconds of the processor to fit them."""
    count, columns, power = SIZES[name]
    rows, labels = rows_of(count, columns)
    began = time.process_time()
    estimator(name).fit(rows, labels, **options)
    return rows_of(int(count * (seconds / (time.process_time() - began)) ** (1 / power)), columns)


def options_of(name: str) -> dict[str, Any]:
    """Return how ``fit`` is called: XGBoost with data whose metrics it logs after each round."""
    return {"eval_set": [rows_of(1000, SIZES[name][1])], "verbose": False} if name == "XGBoost" else {}


def time_the_framework(kind: type) -> tuple[Timed, Timed]:
    """Put timers around a class's fit and around what others than XGBoost have it call back."""
    fit, callbacks = Timed(), Timed()
    owner = next(base for base in kind.__mro__ if "fit" in vars(base))
    owner.fit = fit.around(vars(owner)["fit"])
    if owner.__module__.startswith("xgboost"):
        from xgboost.callback import CallbackContainer

        make = CallbackContainer.__init__

        def made(self: Any, given: Any, *args: Any, **kwargs: Any) -> None:
            for one in given:
                if not type(one).__module__.startswith("xgboost"):
                    one.after_iteration = callbacks.around(one.after_iteration)
            make(self, given, *args, **kwargs)

        CallbackContainer.__init__ = made
    return fit, callbacks


def turn_on(who: str) -> None:
    """Turn autologging on, with everything at its default."""
    if who == "ours":
        import mlgitops

        mlgitops.autolog()
    else:
        import mlflow

        mlflow.autolog(silent=True)


def main(who: str, name: str) -> float:
    """Return what autologging adds to a fit, in percent of it."""
    model = estimator(name)
    options = options_of(name)
    rows, labels = rows_that_take(SECONDS, name, options)
    fit, callbacks = time_the_framework(type(model))
    turn_on(who)
    estimator(name).fit(rows[:500], labels[:500], **options)
    fit.seconds = callbacks.seconds = 0.0
    began = time.perf_counter()
    model.fit(rows, labels, **options)
    whole = time.perf_counter() - began
    training = fit.seconds - callbacks.seconds
    print(f"{who} {name}: {training:.1f} s of training, {whole - training:.3f} s beside it", file=sys.stderr)
    return 100 * (whole - training) / training


if __name__ == "__main__":
    print(main(*sys.argv[1:]))
