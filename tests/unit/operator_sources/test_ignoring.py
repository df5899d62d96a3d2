from __future__ import annotations

import pytest

from mlgitops.operator.sources.ignoring import ignored


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("registry/drafts", "registry/drafts/a.yaml"),
        ("registry/drafts/*", "registry/drafts/a.yaml"),
        ("registry/drafts/**", "registry/drafts/b/a.yaml"),
        ("*.tmpl.yaml", "registry/models/iris/a.tmpl.yaml"),
        ("drafts", "registry/models/drafts/a.yaml"),
        ("drafts", "drafts"),
        ("**/*.tmpl.yaml", "a.tmpl.yaml"),
        ("registry/**/v?.yaml", "registry/v1.yaml"),
        ("registry/**/v?.yaml", "registry/a/b/v1.yaml"),
        ("registry/models/r*", "registry/models/rose/model.yaml"),
    ],
)
def test_what_a_pattern_means_is_passed_over(pattern: str, path: str) -> None:
    assert ignored(["other", pattern])(path)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("registry/drafts", "registry/drafts2/a.yaml"),
        ("registry/*.yaml", "registry/models/a.yaml"),
        ("drafts/a.yaml", "registry/drafts/a.yaml"),
        ("a.yaml", "registry/baayaml"),
        ("v?.yaml", "registry/v10.yaml"),
        ("v?.yaml", "v/.yaml"),
        ("registry/models/r*", "registry/models/iris/r.yaml"),
    ],
)
def test_what_a_pattern_does_not_mean_stays(pattern: str, path: str) -> None:
    assert not ignored([pattern])(path)


def test_without_patterns_nothing_is_passed_over() -> None:
    assert not ignored([])("registry/a.yaml")
