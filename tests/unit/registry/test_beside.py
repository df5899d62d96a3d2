"""What lies beside ``registry/`` and is judged with it: ``mlgitops.toml`` and ``clusters/``."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlgitops import config, registry
from mlgitops.cli.main import app
from mlgitops.registry import Settings, clusters, configuration, scaffold

SOURCES = Path(registry.__file__).parents[1]
CLUSTER = "clusters/default.yaml"
NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: flowers}\n"
SOURCE = """\
apiVersion: mlgitops.dev/v1alpha1
kind: RegistrySource
metadata: {name: registry, namespace: flowers}
spec:
  url: "https://git.example.com/registry.git"
"""


def told(text: str) -> list[str]:
    return [str(problem) for problem in configuration.problems(text.encode())]


def cluster(text: str) -> list[str]:
    return [str(problem) for problem in clusters.problems("clusters/a.yaml", text.encode())]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLGITOPS_CACHE_DIR", str(tmp_path / "cache"))
    folder = tmp_path / "repo"
    scaffold(folder, Settings("https://git.example.com/registry.git", "s3://models"))
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message=all"]):
        subprocess.run(["git", "-C", str(folder), *command], check=True, capture_output=True)
    return folder


def found(root: Path) -> list[str]:
    return [problem.file for problem in registry.examine(root).problems]


def test_what_init_writes_is_sound_and_counts_for_no_object(root: Path) -> None:
    assert registry.examine(root) == registry.Verdict(2, ())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[stroe]\nurl = "s3://m"\n', 'mlgitops.toml:1: stroe is no table of ours; did you mean "store"?'),
        ('colour = "red"\n', "mlgitops.toml:1: colour is no setting of ours; known here: layout, actor, registry,"),
        ('# a\n[store]\n\nulr = "s3://m"\n', 'mlgitops.toml:4: store.ulr is not a field; did you mean "url"?'),
        ('store.ulr = "s3://m"\n', 'mlgitops.toml:1: store.ulr is not a field; did you mean "url"?'),
        ("[registry]\nname = 5\n", 'mlgitops.toml:2: registry.name must be a string; put it in quotes, as in "5"'),
        ('[defaults]\nstages = "a"\n', "mlgitops.toml:2: defaults.stages must be a list, not 'a'"),
        ('[defaults]\nowners = [\n  "a",\n  1,\n]\n', "mlgitops.toml:2: defaults.owners[1] must be a string;"),
        ('[forge]\nkind = "github"\n', "mlgitops.toml:2: forge.kind must be one of local, not 'github'"),
        ('store = "s3://m"\n', "mlgitops.toml:1: store must be a mapping, not 's3://m'"),
        ("layout = 2\n", "mlgitops.toml:1: layout must be at most 1, not 2"),
        ("[datasets]\nholdout = 1\n", "mlgitops.toml:2: datasets.holdout must be an address, or {uri = "),
        ('[datasets.a]\ntarget = "t"\n', "mlgitops.toml:1: datasets.a.uri is missing: where the data set lies"),
        ('[datasets]\na = {url = "t"}\n', 'mlgitops.toml:2: datasets.a.url is not a field; did you mean "uri"?'),
        ("datasets = 1\n", "mlgitops.toml:1: datasets must be a table of names"),
        ("a = 1\n[store\n", "mlgitops.toml:2 is not TOML: Expected ']' at the end of a table declaration"),
        ("a = 1\nb\n", "mlgitops.toml:2 is not TOML: Expected '=' after a key"),
    ],
)
def test_a_setting_that_nothing_reads_is_named_with_its_line(text: str, expected: str) -> None:
    assert told(text)[0].startswith(expected)


def test_several_mistakes_are_seen_at_once_and_text_in_latin_1_too() -> None:
    assert len(told('[stroe]\n[store]\nulr = ""\n[forge]\nkind = "x"\n')) == 3
    assert "is not UTF-8" in str(configuration.problems(b"a = 1\nb = '\xff'\n")[0])


def test_every_setting_that_the_code_asks_for_is_known() -> None:
    asked = re.compile(r"""(?:config|settings|load\(\))\.(?:get|require)\(\s*"([a-z]+[.][a-z]+)"\)""")
    names = {name for path in SOURCES.rglob("*.py") for name in asked.findall(path.read_text())}
    assert {"store.url", "registry.url", "forge.kind"} <= names
    for name in names:
        table, _, key = name.partition(".")
        assert told(f'[{table}]\n{key} = "local"\n') == [], name
    assert told('actor = "ada"\n[datasets]\nholdout = "s3://x"\nb = {uri = "b.csv", target = "y"}\n') == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("url:", "ulr:", [":10: spec.ulr is not a field; did you mean", ":9: spec.url is missing"]),
        ("kind: RegistrySource", "kind: RegistrySorce", [":7: kind 'RegistrySorce' is none of ours; did you mean"]),
        ("mlgitops.dev", "mlgitop.dev", [":6: apiVersion must be mlgitops.dev/v1alpha1"]),
        ("spec:", "spec:\n  ref: {branch: main, tag: v1}", [":10: spec.ref must set exactly one of branch, tag"]),
        ("spec:", "spec: [", [":11 is not YAML"]),
    ],
)
def test_an_object_in_clusters_is_held_to_its_kind_with_the_files_own_lines(
    old: str, new: str, expected: list[str]
) -> None:
    lines = cluster(f"{NAMESPACE}# é\n---\n{SOURCE.replace(old, new)}")
    assert len(lines) == len(expected)
    assert all(any(line.startswith(f"clusters/a.yaml{start}") for line in lines) for start in expected), lines


def test_foreign_objects_and_empty_documents_are_none_of_our_business() -> None:
    foreign = "apiVersion: apps/v1\nkind: Model\nmetadata: &m {x: 1}\nspec: {<<: *m, y: !!binary eA==}\n"
    assert cluster(f"---\n{NAMESPACE}---\n---\n# nothing\n---\n{foreign}---\n{SOURCE}---\n") == []
    assert cluster("") == []


def test_a_policy_in_clusters_that_asks_for_what_this_release_cannot_do_is_refused() -> None:
    policy = (
        "apiVersion: mlgitops.dev/v1alpha1\nkind: PromotionPolicy\nmetadata: {name: a}\n"
        'spec:\n  artifacts: {prefixes: ["s3://models/"]}\n  rollback: {autoMerge: true}\n'
    )
    (problem,) = cluster(policy)
    assert problem.startswith("clusters/a.yaml:6: spec.rollback.autoMerge is not supported")


@pytest.mark.parametrize(("path", "old"), [(config.FILE, "[store]"), (CLUSTER, "interval:")])
def test_a_known_verdict_is_not_given_for_a_changed_file_beside_the_registry(root: Path, path: str, old: str) -> None:
    assert found(root) == []
    text = (root / path).read_text()
    (root / path).write_text(text.replace(old, old.replace("r", "rr")))
    assert set(found(root)) == {path}
    subprocess.run(["git", "-C", str(root), "commit", "--quiet", "--all", "--message=x"], check=True)
    assert set(found(root)) == {path}
    (root / path).write_text(text)
    assert found(root) == []


def test_validate_of_a_file_beside_the_registry_tells_about_it_alone(root: Path) -> None:
    (root / config.FILE).write_text("[stroe]\n")
    (root / CLUSTER).write_text(SOURCE.replace("url:", "ulr:"))
    done = CliRunner().invoke(app, ["validate", str(root / config.FILE)])
    assert (done.exit_code, "stroe" in done.output, "clusters" in done.output) == (2, True, False)
    done = CliRunner().invoke(app, ["validate", str(root / "clusters")])
    assert (done.exit_code, "stroe" in done.output, "ulr" in done.output) == (2, False, True)
