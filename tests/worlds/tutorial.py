"""Reads a page's fenced blocks and does what they say, as a reader would at one terminal."""

from __future__ import annotations

import os
import re
import select
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

FENCE = re.compile(r"^```(?P<language>\w*)(?P<notes>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
END = "--end-of-command--"
ANYTHING = "…"


@dataclass(frozen=True, slots=True)
class Step:
    """A command with what it shall print and how it shall end, or a file to write."""

    line: int
    command: str = ""
    shown: tuple[str, ...] = ()
    exit_code: int = 0
    file: str = ""
    text: str = ""


def steps(page: str) -> Iterator[Step]:
    """Yield what a page asks its reader to do, in order.

    A ``console`` block holds commands behind ``$`` and their output; ``exit=1`` behind the word
    says how they end. A block with ``file=NAME`` is a file to write. All others are only read.
    """
    for fence in FENCE.finditer(page):
        line = page.count("\n", 0, fence.start()) + 1
        notes = dict(note.partition("=")[::2] for note in fence["notes"].split())
        if "file" in notes:
            yield Step(line, file=notes["file"], text=fence["text"])
        elif fence["language"] == "console":
            yield from _commands(fence["text"], line, int(notes.get("exit", 0)))


def _commands(block: str, line: int, exit_code: int) -> Iterator[Step]:
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, *shown = part.splitlines()
        yield Step(line, command=command, shown=tuple(shown), exit_code=exit_code)


def matches(shown: tuple[str, ...], printed: str) -> bool:
    """Say whether a command printed what the page shows.

    An ellipsis stands for anything in its line, alone on a line for any lines; how many blanks
    there are between words does not count. A page that shows nothing promises nothing.
    """
    if not shown:
        return True
    pattern = "".join(r"(?:.*\n)*" if line == ANYTHING else _line(line) + r"\n" for line in shown)
    found = "".join(f"{' '.join(line.split())}\n" for line in printed.splitlines())
    return re.fullmatch(pattern, found) is not None


def _line(line: str) -> str:
    return ".*".join(re.escape(part) for part in " ".join(line.split()).split(ANYTHING))


class Terminal:
    """One bash that keeps its folder, variables and functions from command to command."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._bash.stdin is not None and self._bash.stdout is not None
        self._bash.stdin.close()
        self._bash.kill()
        self._bash.wait()
        self._bash.stdout.close()

    def run(self, command: str, within: float = 180) -> tuple[int, str]:
        """Run a command and return its exit code and all that it printed.

        Raises:
            TimeoutError: it did not end within so many seconds.
        """
        assert self._bash.stdin is not None
        self._bash.stdin.write(f'{{ {command}\n}} </dev/null\nprintf "\\n%s %d\\n" {END} $?\n'.encode())
        self._bash.stdin.flush()
        printed, code = self._until_end(time.monotonic() + within, command).rsplit(f"\n{END} ", 1)
        return int(code), printed

    def _until_end(self, deadline: float, command: str) -> str:
        assert self._bash.stdout is not None
        printed = b""
        while not re.search(rf"\n{END} \d+\n$".encode(), printed):
            ready, _, _ = select.select([self._bash.stdout], [], [], max(0.0, deadline - time.monotonic()))
            data = os.read(self._bash.stdout.fileno(), 65536) if ready else b""
            if not data:
                raise TimeoutError(f"{command} did not end; it printed:\n{printed.decode(errors='replace')}")
            printed += data
        return printed.decode(errors="replace")

    def write(self, name: str, text: str) -> None:
        """Write a file, named from where the terminal is."""
        _, here = self.run("pwd")
        path = Path(here.strip(), name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def follow(page: str, terminal: Terminal) -> None:
    """Do all that a page says and hold it to what it shows.

    Raises:
        AssertionError: a command ended or answered otherwise; the message names the page's line.
    """
    for step in steps(page):
        if step.file:
            terminal.write(step.file, step.text)
            continue
        code, printed = terminal.run(step.command)
        place = f"the block at line {step.line}: $ {step.command}"
        assert code == step.exit_code, f"{place}\nended with {code}, not {step.exit_code}:\n{printed}"
        shown = "\n".join(step.shown)
        assert matches(step.shown, printed), f"{place}\nthe page shows:\n{shown}\nit printed:\n{printed}"
