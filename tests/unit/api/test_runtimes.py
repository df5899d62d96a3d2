from __future__ import annotations

from collections.abc import Mapping

import pytest

from mlgitops.api import Metadata, ModelVersion, Reference, ServingRuntime, runtimes
from mlgitops.api.model import Artifact, Environment, ModelVersionSpec
from mlgitops.api.runtime import Fetcher, RuntimeContainer, ServingRuntimeSpec, SupportedFormat
from mlgitops.errors import InputError, NotFoundError


def version(packages: Mapping[str, str], kind: str = "skops") -> ModelVersion:
    artifact = Artifact("s3://models/x", "sha256:" + "0" * 64, kind)
    spec = ModelVersionSpec(Reference("iris"), "1", artifact, environment=Environment(packages=packages))
    return ModelVersion(Metadata("iris.1"), spec)


def runtime(name: str, *formats: SupportedFormat) -> ServingRuntime:
    spec = ServingRuntimeSpec(formats, (RuntimeContainer("server", "image"),), Fetcher("image"))
    return ServingRuntime(Metadata(name), spec)


OLD = runtime("old", SupportedFormat("skops", {"scikit-learn": ">=1.5,<1.7"}))
NEW = runtime("new", SupportedFormat("skops", {"scikit-learn": ">=1.7,<1.10"}))


def test_the_runtime_whose_ranges_fit_is_picked() -> None:
    assert runtimes.pick(version({"scikit-learn": "1.9.1"}), [OLD, NEW]) is NEW
    assert runtimes.pick(version({"scikit-learn": "1.6.0"}), [OLD, NEW]) is OLD


def test_package_names_are_compared_as_python_does() -> None:
    assert runtimes.pick(version({"Scikit_Learn": "1.9.1"}), [NEW]) is NEW


def test_a_release_candidate_that_was_trained_with_fits() -> None:
    assert runtimes.pick(version({"scikit-learn": "1.8.0rc1"}), [NEW]) is NEW


def test_the_highest_priority_wins_and_then_the_first_name() -> None:
    low, high = runtime("a", SupportedFormat("onnx")), runtime("z", SupportedFormat("onnx", priority=5))
    assert runtimes.pick(version({}, "onnx"), [low, high]) is high
    assert runtimes.pick(version({}, "onnx"), [runtime("b", SupportedFormat("onnx")), low]) is low


def test_a_package_that_the_version_does_not_name_does_not_fit() -> None:
    with pytest.raises(NotFoundError, match=r"spec\.environment\.packages does not name scikit-learn"):
        runtimes.pick(version({}), [NEW])


def test_the_error_names_the_nearest_and_why_it_does_not_fit() -> None:
    with pytest.raises(NotFoundError) as caught:
        runtimes.pick(version({"scikit-learn": "2.0"}), [runtime("a-onnx", SupportedFormat("onnx")), NEW])
    assert str(caught.value) == (
        "no ServingRuntime fits iris.1 (format skops); the nearest is new: "
        "it needs scikit-learn >=1.7,<1.10, the version has 2.0"
    )


def test_an_unknown_format_and_an_empty_list_are_named() -> None:
    with pytest.raises(NotFoundError, match="it serves onnx, not skops"):
        runtimes.pick(version({}), [runtime("a", SupportedFormat("onnx"))])
    with pytest.raises(NotFoundError, match="there is none at all"):
        runtimes.pick(version({}), [])


def test_a_version_that_is_no_version_does_not_fit() -> None:
    with pytest.raises(NotFoundError, match="the version has nightly"):
        runtimes.pick(version({"scikit-learn": "nightly"}), [NEW])


def test_a_range_that_is_no_range_is_an_error_of_the_runtime() -> None:
    assert not runtimes.is_range("newest")
    with pytest.raises(InputError, match="broken: scikit-learn: 'newest' is not a version range"):
        broken = runtime("broken", SupportedFormat("skops", {"scikit-learn": "newest"}))
        runtimes.pick(version({"scikit-learn": "1.9"}), [broken])
