"""A model of a user's own that does what its input says; the server's tests import it in the worker."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin

FINE, RAISE, CRASH, HANG, NAP = 0.0, 1.0, 2.0, 3.0, 4.0


class Moody(RegressorMixin, BaseEstimator):
    """Answers the number of rows that it was asked for at once, unless a row's first value says otherwise."""

    def __init__(self, crash_on_load: bool = False) -> None:
        self.crash_on_load = crash_on_load

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self.crash_on_load:
            os.abort()

    def fit(self, x: Any, y: Any = None) -> Moody:
        self.n_features_in_ = np.asarray(x).shape[1]
        return self

    def predict(self, x: Any) -> Any:
        moods = set(np.asarray(x)[:, 0].tolist())
        if RAISE in moods:
            raise ValueError(f"secret {np.asarray(x).tolist()}")
        if CRASH in moods:
            os.abort()
        if HANG in moods:
            time.sleep(3600)
        if NAP in moods:
            time.sleep(1)
        return np.full(len(x), float(len(x)))
