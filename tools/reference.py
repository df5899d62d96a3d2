"""Writes docs/reference/: a page for each kind from crds/, and one for the command line.

Usage: python tools/reference.py

The pages are committed, so that they can be read where the code is read; a unit test
compares them with what this would write.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from typer.main import get_command

from mlgitops import api
from mlgitops.cli.main import app
from mlgitops.files import write_atomic

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
NOTE = "<!-- Made by `make generate`; edit {source} instead. -->\n"
# What says how long a list or text may be; the sentence comes from the schema's own figures.
BOUNDS = (
    ("minLength", "at least {} character"),
    ("maxLength", "at most {} characters"),
    ("minItems", "at least {} item"),
    ("maxItems", "at most {} items"),
    ("maxProperties", "at most {} entries"),
    ("minimum", "at least {}"),
    ("maximum", "at most {}"),
)
_EXAMPLE = re.compile(r"^\s*Examples?:\s*", re.MULTILINE)


def pages() -> dict[str, str]:
    """Return every page of the reference by its path below ``docs/reference/``."""
    kinds = {crd["spec"]["names"]["kind"]: crd for crd in api.crds()}
    made = {f"crds/{kind.lower()}.md": kind_page(crd) for kind, crd in kinds.items()}
    return {"crds.md": _index(kinds), "cli.md": cli_page(), **made}


def _index(kinds: dict[str, dict[str, Any]]) -> str:
    rows = [
        f"| [{kind}](crds/{kind.lower()}.md) | {', '.join(crd['spec']['names'].get('shortNames', ()))} "
        f"| {_cell(_schema(crd)['description'])} |"
        for kind, crd in kinds.items()
    ]
    lines = [
        NOTE.format(source="crds/*.yaml"),
        "# The kinds",
        "",
        f"Group `{api.GROUP}`, version `{api.VERSION}`, all of them namespaced. `kubectl get mlgitops` lists all",
        "objects of all these kinds.",
        "",
        "| kind | short | what it is |",
        "|---|---|---|",
        *rows,
    ]
    return "\n".join(lines) + "\n"


def kind_page(crd: dict[str, Any]) -> str:
    """Return the page of one kind: what it is, its columns, its rules and its fields."""
    spec = crd["spec"]
    names, version, schema = spec["names"], spec["versions"][0], _schema(crd)
    columns = [column["name"] for column in version["additionalPrinterColumns"]]
    lines = [
        NOTE.format(source=f"crds/{spec['group']}_{names['plural']}.yaml"),
        f"# {names['kind']}",
        "",
        schema["description"],
        "",
        f"`apiVersion: {spec['group']}/{version['name']}`, `kind: {names['kind']}`.",
        "",
        f"`kubectl get {names['plural']}`{_short(names)} shows: {', '.join(columns)}.",
        *_rules(schema),
    ]
    for part in ("spec", "status"):
        if part in schema["properties"]:
            lines += ["", f"## {part}", ""]
            lines += ["| field | type | |", "|---|---|---|"]
            lines += list(_rows(schema["properties"][part], part))
    return "\n".join(lines) + "\n"


def _schema(crd: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


def _short(names: dict[str, Any]) -> str:
    short = names.get("shortNames", ())
    return f" (short: {', '.join(f'`{name}`' for name in short)})" if short else ""


def _rules(schema: dict[str, Any]) -> list[str]:
    parts = (schema, *schema["properties"].values())
    messages = [rule["message"] for part in parts for rule in part.get("x-kubernetes-validations", ())]
    return (
        ["", "The API server refuses it unless:", "", *(f"- {_cell(message)}" for message in messages)]
        if messages
        else []
    )


def _rows(schema: dict[str, Any], path: str) -> Iterator[str]:
    """Yield a table row for each field below a schema, parents before children."""
    required = schema.get("required", ())
    for name, child in schema.get("properties", {}).items():
        inner, suffix = _inside(child)
        yield f"| `{path}.{name}`{' **required**' if name in required else ''} | {_type(child)} | {_says(child)} |"
        yield from _rows(inner, f"{path}.{name}{suffix}")


def _inside(schema: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Return the schema whose fields are the next level, and what the path gains on the way there."""
    if schema.get("type") == "array":
        return schema["items"], "[]"
    return schema, ""


def _type(schema: dict[str, Any]) -> str:
    if schema.get("x-kubernetes-int-or-string"):
        return "integer or string"
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    if "additionalProperties" in schema:
        return f"map to {_type(schema['additionalProperties'])}"
    if "enum" in schema:
        return " \\| ".join(f"`{value}`" for value in schema["enum"])
    return f"{schema.get('type', 'any')}{', date-time' if schema.get('format') == 'date-time' else ''}"


def _says(schema: dict[str, Any]) -> str:
    """Return what a field means and what it must be like."""
    said = [_cell(schema.get("description", ""))]
    items = schema.get("items", {})
    bounds = [text.format(schema[key]) for key, text in BOUNDS if key in schema]
    if bounds:
        said.append(f"{'; '.join(bounds).capitalize()}.")
    for pattern, whose in ((schema.get("pattern"), "Matches"), (items.get("pattern"), "Each matches")):
        if pattern and schema.get("format") != "date-time":
            said.append(f"{whose} `{_cell(pattern)}`.")
    rules = (*schema.get("x-kubernetes-validations", ()), *items.get("x-kubernetes-validations", ()))
    said += [f"Rule: {_cell(rule['message'])}." for rule in rules]
    return " ".join(part for part in said if part)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def cli_page() -> str:
    """Return the page of the command line: every verb with its arguments, options and examples."""
    root = get_command(app)
    lines = [
        NOTE.format(source="src/mlgitops/cli/"),
        "# The command line",
        "",
        "Every command reads the nearest `mlgitops.toml` upwards, or `[tool.mlgitops]` of `pyproject.toml`; the",
        "environment wins: `store.url` is `MLGITOPS_STORE_URL`. Results go to stdout, progress and errors to stderr.",
        "",
        "| exit code | means |",
        "|---|---|",
        "| 0 | it is done, or the check passed |",
        "| 1 | a check failed |",
        "| 2 | a mistake in the input |",
        "| 3 | something outside failed: git, the store, the cluster |",
        "",
    ]
    commands = list(_commands(root, ("mlgitops",)))
    lines += [f"- [`{' '.join(path)}`](#{'-'.join(path)}): {_summary(command)}" for path, command in commands]
    for path, command in commands:
        lines += _command(path, command)
    return "\n".join(lines) + "\n"


def _commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every command that does something, with the words that call it."""
    if not hasattr(command, "list_commands"):
        yield path, command
        return
    for name in command.list_commands(None):
        yield from _commands(command.get_command(None, name), (*path, name))


def _command(path: Sequence[str], command: Any) -> list[str]:
    arguments = [found for found in command.params if found.param_type_name == "argument"]
    options = [found for found in command.params if found.param_type_name == "option"]
    usage = " ".join([*path, *(["[OPTIONS]"] if options else []), *map(_argument, arguments)])
    text, examples = _split_help(command)
    lines = ["", f"## {' '.join(path)}", "", "```", usage, "```", "", text]
    if arguments or options:
        lines += ["", "| | default | |", "|---|---|---|"]
        lines += [f"| `{_argument(found)}` | {_default(found)} | {_cell(found.help or '')} |" for found in arguments]
        lines += [f"| {_option(found)} | {_default(found)} | {_cell(found.help or '')} |" for found in options]
    if examples:
        lines += ["", "```console", *(f"$ {example}" for example in examples), "```"]
    return lines


def _argument(found: Any) -> str:
    name = (found.metavar or found.name.upper()).strip("[]")
    return name if found.required else f"[{name}]"


def _option(found: Any) -> str:
    value = "" if found.is_flag else f" {_value(found)}"
    return _cell(f"`{', '.join(found.opts)}{value}`") + (" **required**" if found.required else "")


def _value(found: Any) -> str:
    annotation = found.type_descriptor.annotation
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return "|".join(str(choice.value) for choice in annotation)
    if get_origin(annotation) is Literal:
        return "|".join(get_args(annotation))
    return str(found.metavar or ("N" if annotation is int else found.name.upper().replace("_", "-")))


def _default(found: Any) -> str:
    value = found.default
    if value is None or value is False or value == "" or found.required or callable(value):
        return ""
    return f"`{getattr(value, 'value', value)}`"


def _summary(command: Any) -> str:
    return _split_help(command)[0].split("\n\n")[0].replace("\n", " ")


def _split_help(command: Any) -> tuple[str, list[str]]:
    """Return a command's text without its examples, and the examples one by one."""
    text = inspect.cleandoc((command.help or "").replace("\f", ""))
    text, *shown = _EXAMPLE.split(text, maxsplit=1)
    epilog = _EXAMPLE.sub("", command.epilog or "")
    examples = [line.strip() for block in shown for line in block.splitlines()]
    examples += [part.strip() for part in epilog.split("·")]
    # What stands beside a command explains it.
    return text.strip(), [re.sub(r"\s{2,}", "  # ", example) for example in examples if example]


def main() -> None:
    """Write the pages, and delete those of kinds that are gone."""
    made = pages()
    for name, text in made.items():
        write_atomic(FOLDER / name, text.encode())
    for path in FOLDER.rglob("*.md"):
        if path.relative_to(FOLDER).as_posix() not in made:
            path.unlink()


if __name__ == "__main__":
    main()
