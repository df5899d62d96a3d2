"""The command's root: every verb is there, says what it does, and fails in one message."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from mlgitops.cli.main import VERBS, app

pytestmark = pytest.mark.slow


def mlgitops(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "mlgitops", *arguments], cwd=folder, capture_output=True, text=True)


def test_the_version_is_the_packages(tmp_path: Path) -> None:
    assert mlgitops("--version", folder=tmp_path).stdout == f"{version('mlgitops')}\n"


def test_help_lists_every_verb_in_its_order(tmp_path: Path) -> None:
    told = mlgitops("--help", folder=tmp_path).stdout
    places = [told.find(f" {verb} ") for verb in VERBS]
    assert -1 not in places
    assert places == sorted(places)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself_with_an_example(verb: str, tmp_path: Path) -> None:
    done = mlgitops(verb, "--help", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Usage:" in done.stdout


def _commands(command: Any, path: tuple[str, ...] = ("mlgitops",)) -> Iterator[tuple[str, Any]]:
    yield " ".join(path), command
    for name in command.list_commands(None) if hasattr(command, "list_commands") else ():
        yield from _commands(command.get_command(None, name), (*path, name))


def test_no_help_says_something_in_brackets_which_a_terminal_would_take_for_a_colour() -> None:
    said = [
        (path, text)
        for path, command in _commands(get_command(app))
        for text in (command.help, command.epilog, *(getattr(option, "help", "") for option in command.params))
    ]
    assert len(said) > 100
    assert [(path, text) for path, text in said if re.search(r"(?<!\\)\[[a-z#/@][^\[\]]*\]", text or "")] == []


def test_only_the_root_offers_to_complete_words() -> None:
    offers = [path for path, command in _commands(get_command(app)) if "--show-completion" in _options(command)]
    assert offers == ["mlgitops"]


def _options(command: Any) -> set[str]:
    return {name for option in command.params for name in option.opts}


def test_a_version_is_archived_for_a_reason_only(tmp_path: Path) -> None:
    done = mlgitops("archive", "iris:3", folder=tmp_path)
    assert (done.returncode, "--reason" in done.stderr) == (2, True)


def test_an_unknown_verb_is_a_usage_error(tmp_path: Path) -> None:
    done = mlgitops("promot", folder=tmp_path)
    assert done.returncode == 2
    assert "there is no command 'promot'; did you mean promote?" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("propose", "01XX"), "registry.url is not set; set MLGITOPS_REGISTRY_URL"),
        (("evaluate", "iris", "--stage", "s", "--dataset", "d.csv"), "names no version; expected MODEL:VERSION"),
        (("reserve", "iris", "sha256:00"), "names no version; expected MODEL:VERSION"),
        (("validate", "."), "lies in no registry"),
    ],
)
def test_wrong_input_is_one_message_without_a_traceback(arguments, words, tmp_path: Path) -> None:
    done = mlgitops(*arguments, folder=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_only_the_verb_that_is_used_is_imported(tmp_path: Path) -> None:
    script = "import sys; from mlgitops.cli import main; sys.argv = ['mlgitops', '--version']; main.main()"
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", script], cwd=tmp_path, capture_output=True, text=True
    )
    assert "mlgitops.cli.main" in done.stderr
    for heavy in ("mlgitops.bot", "kubernetes", "aiohttp", "git", "jsonschema", "numpy"):
        assert f" {heavy}\n" not in done.stderr


@pytest.mark.parametrize(
    ("missing", "arguments", "extra"),
    [("aiohttp", ["demo", "--once"], "kube"), ("cryptography", ["init", "x", "--url", "file:///x"], "sign")],
)
def test_a_verb_whose_extra_is_not_installed_names_the_command_that_installs_it(
    tmp_path: Path, missing: str, arguments: list[str], extra: str
) -> None:
    program = f"import sys; sys.modules[{missing!r}] = None; from mlgitops.cli.main import main; main()"
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.stderr == f"error: {missing} is not installed; run: pip install 'mlgitops[{extra}]'\n"
    assert done.returncode == 2
