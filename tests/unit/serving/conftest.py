from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from mlgitops import packages
from unit.serving.harness import Server, Servers


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    made = Servers(tmp_path)
    yield made
    made.end()


@pytest.fixture(scope="session")
def iris_package(tmp_path_factory: pytest.TempPathFactory) -> packages.Package:
    rows, species = load_iris(return_X_y=True)
    model = LogisticRegression(max_iter=1000).fit(rows, species)
    return packages.save(model, tmp_path_factory.mktemp("iris") / "package", input_example=rows)


@pytest.fixture(scope="session")
def table_package(tmp_path_factory: pytest.TempPathFactory) -> packages.Package:
    """A model of named columns."""
    table, species = load_iris(return_X_y=True, as_frame=True)
    table.columns = ["a", "b", "c", "d"]
    model = LogisticRegression(max_iter=1000).fit(table, species)
    return packages.save(model, tmp_path_factory.mktemp("table") / "package", input_example=table)


@pytest.fixture(scope="session")
def running(iris_package: packages.Package, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of the iris model for tests that only ask."""
    made = Servers(tmp_path_factory.mktemp("running"))
    yield made.start(iris_package, MLGITOPS_MAX_BODY="100000").wait_ready()
    made.end()


@pytest.fixture(scope="session")
def table_server(table_package: packages.Package, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of the model of named columns."""
    made = Servers(tmp_path_factory.mktemp("table-server"))
    yield made.start(table_package).wait_ready()
    made.end()
