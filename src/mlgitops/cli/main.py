"""The command's root: which verb lives in which module, loaded when it is called.

A module under ``mlgitops.cli`` holds one ``typer.Typer()`` named ``app``. With one
command in it, the verb is that command; with a callback or several, it is a group.
"""

from __future__ import annotations

import difflib
import importlib
import os
import signal
import sys
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup
from typer.main import get_command

from mlgitops.errors import MissingExtraError, MlgitopsError

# verb → module under mlgitops.cli; the order is the order of `mlgitops --help`.
VERBS = {
    "init": "init",
    "validate": "validate",
    "plan": "plan",
    "render": "render",
    "runs": "runs",
    "experiments": "experiments",
    "tag": "tag",
    "note": "note",
    "describe": "describe",
    "search": "search",
    "compare": "compare",
    "lineage": "lineage",
    "index": "index",
    "push": "push",
    "propose": "propose",
    "evaluate": "evaluate",
    "promote": "promote",
    "rollback": "rollback",
    "archive": "archive",
    "gc": "gc",
    "reserve": "reserve",
    "check": "check",
    "pr": "pr",
    "bot": "bot",
    "local": "local",
    "demo": "demo",
}


class LazyGroup(TyperGroup):
    """A group that imports a verb's module only when the verb is used or listed."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the base class names it
        """Return the verbs in their documented order."""
        return list(VERBS)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the verb that is called; of an unknown one, whose name no command was made for, tell the nearest."""
        if args[0] not in VERBS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], VERBS, n=1)
            hint = f"did you mean {near[0]}?" if near else "see: mlgitops --help"
            ctx.fail(f"there is no command {args[0]!r}; {hint}")
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - the base class names it
        """Return a verb's command, or None for an unknown one."""
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"mlgitops.cli.{VERBS[cmd_name]}")
        command = get_command(module.app)
        command.name = cmd_name
        return command


app = typer.Typer(
    cls=LazyGroup, no_args_is_help=True, pretty_exceptions_enable=False, help="Git is the model registry."
)


def _print_version(value: bool) -> None:
    if value:
        from importlib.metadata import version  # it imports half of the standard library

        typer.echo(version("mlgitops"))
        raise typer.Exit


@app.callback()
def root(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Git is the model registry: versions, stages and deployments as reviewed YAML."""


def main() -> None:
    """Run the command; print an expected error as one message and exit with its code."""
    # The variable doubles every import of every process that we start.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    _end_politely()
    try:
        app()
    except MlgitopsError as error:
        _fail(error)
    except ModuleNotFoundError as error:
        from mlgitops.cli.extras import extra_of

        extra = extra_of(error.name or "")
        if extra is None:
            raise
        _fail(MissingExtraError((error.name or "").split(".")[0], extra))


def _fail(error: MlgitopsError) -> NoReturn:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(error.exit_code)


def _end_politely() -> None:
    """Let a closed terminal or a polite kill end a command as Ctrl-C does, so that what it started ends too."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:  # nohup ignores it: leave that
            signal.signal(number, signal.default_int_handler)
