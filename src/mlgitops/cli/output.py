"""How every command prints: text for people, one JSON object for scripts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

import typer


class Output(StrEnum):
    """How the result is printed."""

    table = "table"
    json = "json"


OutputOption = Annotated[Output, typer.Option("--output", "-o", help="How the result is printed.")]


def emit(output: Output, data: Mapping[str, Any], text: str) -> None:
    """Print a result: its JSON, or its text without anything that could steer a terminal."""
    typer.echo(json.dumps(data) if output is Output.json else inert(text))


def inert(text: str) -> str:
    """Return a text that cannot steer a terminal; its line breaks stay."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)
