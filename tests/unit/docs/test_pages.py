"""What the pages say about themselves: links that lead somewhere, blocks that the runner understands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from mlgitops import api
from mlgitops.cli.main import app
from mlgitops.demo.show import ENDING
from mlgitops.registry import schema
from worlds.tutorial import FENCE, Terminal, follow, matches, steps

ROOT = Path(__file__).parents[3]
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
OURS = f"apiVersion: {api.API_VERSION}\nkind:"
MISTAKE = "strategy: Canry"  # README shows what is said of it
LINK = re.compile(r"\]\((?!https?://)([^)#\s]*)(?:#([^)\s]+))?\)")


def _anchors(page: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_of_a_page_leads_somewhere(path: Path) -> None:
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", path.read_text("utf-8"), flags=re.DOTALL)
    for target, anchor in LINK.findall(prose):
        found = (path.parent / target).resolve() if target else path
        assert found.exists(), f"{path.name} links to {target}"
        if anchor:
            assert anchor in _anchors(found.read_text("utf-8")), f"{path.name} links to {target}#{anchor}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_page_names_nothing_of_the_machine_it_was_written_on(path: Path) -> None:
    text = path.read_text("utf-8")
    assert str(ROOT) not in text
    assert str(Path.home()) not in text or Path.home() == Path("/")


def _blocks(language: str) -> list[tuple[str, str]]:
    fences = ((path, fence) for path in PAGES for fence in FENCE.finditer(path.read_text("utf-8")))
    return [
        (path.relative_to(ROOT).as_posix(), fence["text"]) for path, fence in fences if fence["language"] == language
    ]


@pytest.mark.parametrize(
    ("page", "text"), [block for block in _blocks("yaml") if OURS in block[1] and MISTAKE not in block[1]]
)
def test_every_object_on_a_page_is_valid(page: str, text: str) -> None:
    assert schema.findings(yaml.safe_load(text)) == []


def _calls() -> list[tuple[str, str]]:
    lines = [(page, line) for page, text in _blocks("console") for line in text.splitlines()]
    ending = ENDING.replace(" && ", "\n")
    lines += [("the end of the demo", f"$ {line.strip()}") for line in ending.splitlines()]
    called = [(page, line[2:].partition("  # ")[0]) for page, line in lines if line.startswith("$ mlgitops ")]
    return sorted({(page, line.partition(" | ")[0].partition(" && ")[0]) for page, line in called})


@pytest.mark.parametrize(("page", "line"), _calls())
def test_every_command_on_a_page_exists_with_these_arguments(page: str, line: str) -> None:
    command: Any = get_command(app)
    name, *words = shlex.split(line)
    while hasattr(command, "list_commands"):
        name, words = words[0], words[1:]
        command = command.get_command(None, name)
        assert command is not None, f"{line}: there is no {name}"
    # Parses and runs nothing; numbers stand for what a shell would have put there.
    command.make_context(name, ["1" if word.startswith("$") else word for word in words])


def test_the_index_names_every_page_of_the_guide() -> None:
    index = (ROOT / "docs" / "README.md").read_text("utf-8")
    for folder in ("how-to", "explanation"):
        for path in (ROOT / "docs" / folder).glob("*.md"):
            assert f"({folder}/{path.name})" in index


def test_a_page_is_read_as_commands_with_their_output_and_files() -> None:
    page = "Text.\n\n```console exit=1\n$ one\nout\n$ two\n```\n```yaml file=a.yaml\nx: 1\n```\n```sh\nrm -rf /\n```\n"
    first, second, written = steps(page)
    assert (first.command, first.shown, first.exit_code, first.line) == ("one", ("out",), 1, 3)
    assert (second.command, second.shown) == ("two", ())
    assert (written.file, written.text) == ("a.yaml", "x: 1\n")


@pytest.mark.parametrize(
    ("shown", "printed", "agree"),
    [
        ((), "whatever\n", True),
        (("a b",), "a    b\n", True),
        (("a …",), "a 17 s\n", True),
        (("a …",), "b 17 s\n", False),
        (("…", "end"), "one\ntwo\nend\n", True),
        (("…", "end"), "one\nend\ntwo\n", False),
        (("a.c",), "abc\n", False),
        (("a",), "", False),
    ],
)
def test_what_a_page_shows_is_held_against_what_was_printed(shown: tuple[str, ...], printed: str, agree: bool) -> None:
    assert matches(shown, printed) is agree


def test_a_terminal_keeps_folder_and_functions_and_a_wrong_answer_is_told_with_its_line(tmp_path: Path) -> None:
    page = '```console\n$ mkdir in\n$ cd in\n$ f() { cat "$@"; }\n```\n```txt file=../t\nhello\n```\n'
    page += "```console\n$ f ../t\nhello\n$ cat\n$ printf 'no newline'\nno newline\n```\n"
    page += "```console exit=3\n$ (exit 3)\n```\n"
    with Terminal(tmp_path, {"PATH": "/usr/bin:/bin"}) as terminal:
        follow(page, terminal)
        with pytest.raises(AssertionError, match=r"line 1: \$ echo a\n"):
            follow("```console\n$ echo a\nb\n```\n", terminal)
        with pytest.raises(AssertionError, match="ended with 1, not 0"):
            follow("```console\n$ false\n```\n", terminal)
