from __future__ import annotations

import json
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.specifiers import SpecifierSet
from typer.testing import CliRunner

from mlgitops import config, registry
from mlgitops.cli.main import app
from mlgitops.errors import InputError, NotFoundError
from mlgitops.evidence import Key
from mlgitops.git import Repository
from mlgitops.registry import Settings, blueprint, scaffold, schema

KEY = "ed25519:" + "A" * 43 + "="
SETTINGS = Settings(
    "https://git.example.com/a/registry.git", "s3://models/", owners=("team-a", "b@example.com"), public_key=KEY
)
EXAMPLE = Path(__file__).parents[3] / "examples/repo-layout"


def test_a_new_registry_is_sound(tmp_path: Path) -> None:
    scaffold(tmp_path, SETTINGS)
    assert registry.validate(registry.load(tmp_path)) == []


def test_a_new_registry_says_what_it_was_told(tmp_path: Path) -> None:
    scaffold(tmp_path, SETTINGS)
    settings = config.load(tmp_path)
    assert settings.get("registry.url") == SETTINGS.url
    assert settings.get("store.url") == SETTINGS.store
    assert tomllib.loads((tmp_path / "mlgitops.toml").read_text())["defaults"]["stages"] == ["staging", "production"]
    policy = registry.load(tmp_path).policy("any")
    assert policy and policy.spec.artifacts.prefixes == ("s3://models/",)
    assert [(signer.public_key, signer.statements) for signer in policy.spec.signers] == [(KEY, ("evaluated",))]
    assert "* @team-a b@example.com\n" in (tmp_path / "CODEOWNERS").read_text()


def test_the_cluster_follows_folders_that_exist_in_git(tmp_path: Path) -> None:
    scaffold(tmp_path, SETTINGS)
    namespace, source = yaml.safe_load_all((tmp_path / "clusters/default.yaml").read_text())
    assert schema.findings(source) == []
    assert source["metadata"]["namespace"] == namespace["metadata"]["name"]
    for path in source["spec"]["paths"]:
        assert any(file.is_file() for file in (tmp_path / path).iterdir())


def test_without_a_key_no_signer_is_named(tmp_path: Path) -> None:
    scaffold(tmp_path, Settings("u", "s3://models"))
    policy = registry.load(tmp_path).policy("any")
    assert policy and policy.spec.signers == ()


def test_what_is_there_is_never_overwritten(tmp_path: Path) -> None:
    scaffold(tmp_path, SETTINGS)
    assert scaffold(tmp_path, SETTINGS) == ()
    (tmp_path / "README.md").write_text("mine")
    (tmp_path / "CODEOWNERS").unlink()
    with pytest.raises(InputError, match=r"README\.md exist with other content"):
        scaffold(tmp_path, SETTINGS)
    assert not (tmp_path / "CODEOWNERS").exists()


@pytest.mark.parametrize(
    "settings",
    [
        Settings('x"\n[store]\nurl = "s3://evil', "s3://m"),
        Settings("u", "s3://m\x1b[31m"),
        Settings("u", "s3://m", environment="../prod"),
        Settings("u", "s3://m", stages=()),
        Settings("u", "s3://m", owners=("a\n* @evil",)),
    ],
)
def test_a_setting_that_is_no_plain_line_is_refused(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        scaffold(tmp_path, settings)
    assert list(tmp_path.iterdir()) == []


def test_quotes_and_percent_signs_of_a_setting_stay_text(tmp_path: Path) -> None:
    scaffold(tmp_path, Settings('https://x/%{store}"; a', "s3://m"))
    assert config.load(tmp_path).get("registry.url") == 'https://x/%{store}"; a'


@pytest.mark.parametrize(
    "path", [".github/workflows/mlgitops.yaml", ".gitea/workflows/mlgitops.yaml", ".gitlab-ci.yml"]
)
def test_ci_checks_against_the_base_and_puts_no_foreign_text_into_a_shell(path: str) -> None:
    text = blueprint.contents(SETTINGS)[path]
    assert yaml.safe_load(text)
    assert "mlgitops check --read-only --base" in text
    assert f"'mlgitops[s3,sign]=={version('mlgitops')}'" in text
    assert "mlgitops bot evaluate" in text
    assert not [command for command in commands(yaml.safe_load(text)) if "${{" in command]


def commands(jobs: dict[str, Any]) -> list[str]:
    """Every line of shell in a forge's jobs."""
    found = [step["run"] for job in jobs.get("jobs", {}).values() for step in job["steps"] if "run" in step]
    return found + [line for job in jobs.values() if isinstance(job, dict) for line in job.get("script", ())]


def test_the_default_runtime_serves_what_this_environment_saves(tmp_path: Path) -> None:
    scaffold(tmp_path, SETTINGS)
    (runtime,) = registry.load(tmp_path).runtimes()
    for supported in runtime.spec.supported_formats:
        for package, wanted in supported.packages.items():
            assert SpecifierSet(wanted).contains(version(package)), package


def test_the_example_is_exactly_a_new_registry_and_its_objects() -> None:
    settings = Settings(
        "https://git.example.com/flowers/registry.git",
        "s3://models",
        owners=("ml-platform",),
        environment="prod-eu",
        namespace="flowers",
        public_key="ed25519:" + "A" * 42 + "8=",
    )
    for path, text in blueprint.contents(settings).items():
        if path != "CODEOWNERS":
            assert (EXAMPLE / path).read_text("utf-8") == text, path
    tree = registry.load(EXAMPLE)
    assert (EXAMPLE / "CODEOWNERS").read_text("utf-8") == registry.owners.render(tree, settings.owners)
    assert registry.validate(tree) == []
    assert [version.spec.version for version in tree.versions("iris")] == ["1", "2", "3"]


def test_init_makes_a_registry_and_a_key_that_its_policy_names(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["init", str(tmp_path / "flowers"), "--store", "s3://models", "--output", "json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.output)
    assert Key.load(Path(told["key"])).public == told["publicKey"]
    policy = registry.load(tmp_path / "flowers").policy("any")
    assert policy and policy.spec.signers[0].public_key == told["publicKey"]


def test_init_again_keeps_the_key_and_writes_nothing(tmp_path: Path) -> None:
    command = ["init", str(tmp_path / "flowers"), "--output", "json"]
    first = json.loads(CliRunner().invoke(app, command).output)
    second = json.loads(CliRunner().invoke(app, command).output)
    assert (second["publicKey"], second["files"]) == (first["publicKey"], [])


def test_validate_prints_each_problem_and_exits_2(tmp_path: Path) -> None:
    scaffold(tmp_path, SETTINGS)
    (tmp_path / "registry/policies/default.yaml").write_text('kind: "Po\\elicy"\n')
    result = CliRunner().invoke(app, ["validate", str(tmp_path)])
    assert result.exit_code == 2
    assert "registry/policies/default.yaml:1: kind" in result.output
    assert "\x1b" not in result.output
    told = json.loads(CliRunner().invoke(app, ["validate", str(tmp_path), "--output", "json"]).output)
    assert told["ok"] is False
    assert [problem["file"] for problem in told["problems"]] == ["registry/policies/default.yaml"]


def test_validate_of_a_folder_within_tells_only_about_it(tmp_path: Path) -> None:
    scaffold(tmp_path, SETTINGS)
    (tmp_path / "registry/policies/default.yaml").write_text("a: 1\n")
    assert CliRunner().invoke(app, ["validate", str(tmp_path / "registry/runtimes")]).exit_code == 0
    assert CliRunner().invoke(app, ["validate", str(tmp_path / "registry/policies/default.yaml")]).exit_code == 2


@pytest.mark.parametrize("path", ["registry/policies/defualt.yaml", "nowhere", "registry/policies/default.yaml/x"])
def test_validate_of_what_does_not_exist_is_an_error_that_names_it(tmp_path: Path, path: str) -> None:
    scaffold(tmp_path, SETTINGS)
    done = CliRunner().invoke(app, ["validate", str(tmp_path / path)])
    assert isinstance(done.exception, NotFoundError)
    assert str(done.exception).startswith(f"{tmp_path / path} does not exist; ")


def initialised(folder: Path, *options: str) -> str:
    done = CliRunner().invoke(app, ["init", str(folder), *options], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--store", "models"], "for a folder write: --store file:///"),
        (["--store", "gs://models"], "is not a place for artifacts"),
        (["--url", "flowers"], "--url 'flowers' is no address that clusters and CI could use; expected https://"),
        (["--url", "../flowers.git"], "or an absolute path"),
        (["--url", "ext::sh -c x"], "is not an address of a git repository"),
        (["--url", "s3://flowers"], "is not an address of a git repository"),
        (["--name", "../flowers"], "is not a name"),
    ],
)
def test_init_refuses_what_is_no_address_and_writes_nothing(tmp_path: Path, options: list[str], expected: str) -> None:
    done = CliRunner().invoke(app, ["init", str(tmp_path / "flowers"), *options])
    assert isinstance(done.exception, InputError)
    assert expected in str(done.exception)
    assert not (tmp_path / "flowers").exists()
    assert not config.config_dir().exists()


@pytest.mark.parametrize("url", ["https://x.example/flowers.git", "git@x.example:flowers.git", "/srv/flowers.git"])
def test_init_takes_each_kind_of_address_and_what_it_writes_is_sound(tmp_path: Path, url: str) -> None:
    initialised(tmp_path / "r", "--url", url)
    assert registry.examine(tmp_path / "r").problems == ()


def test_init_says_what_git_still_needs(tmp_path: Path) -> None:
    url = "git@x.example:flowers.git"
    told = initialised(tmp_path / "r", "--url", url)
    assert f"git init --initial-branch=main, commit all files, git remote add origin {url}, push\n" in told
    Repository.init(tmp_path)  # around it, which is not its own
    assert "git init --initial-branch=main" in initialised(tmp_path / "r", "--url", url)
    Repository.init(tmp_path / "r")
    assert f"next: commit what is in {tmp_path / 'r'}, git remote add origin {url}, push\n" in initialised(
        tmp_path / "r", "--url", url
    )
    assert "remote add" not in initialised(tmp_path / "own")


def test_init_of_a_second_registry_of_one_name_says_that_the_key_is_shared(tmp_path: Path) -> None:
    first = initialised(tmp_path / "a", "--url", "https://a.example/flowers.git")
    assert "flowers.key, made" in first
    shared = initialised(tmp_path / "b", "--url", "https://b.example/flowers.git")
    assert "which another registry of that name has already" in shared and "another --name" in shared
    assert "which was there already" in initialised(tmp_path / "b", "--url", "https://b.example/flowers.git")
    assert "rose.key, made" in initialised(tmp_path / "c", "--url", "https://c.example/flowers.git", "--name", "rose")
