from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression


@pytest.fixture(scope="session")
def iris() -> tuple[Any, Any]:
    """Measurements as an array of 150 rows and 4 columns, and the species as 0, 1, 2."""
    return load_iris(return_X_y=True)


@pytest.fixture(scope="session")
def flowers() -> tuple[Any, Any]:
    """The same as a data frame with short names."""
    table, species = load_iris(return_X_y=True, as_frame=True)
    return table.rename(columns=lambda name: name.removesuffix(" (cm)").replace(" ", "_")), species


@pytest.fixture(scope="session")
def classifier(iris: tuple[Any, Any]) -> LogisticRegression:
    return LogisticRegression(max_iter=1000).fit(*iris)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "package"
