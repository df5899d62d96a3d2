"""``mlgitops demo``: the main job as a show."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from mlgitops.cli.output import Output, OutputOption

app = typer.Typer(add_completion=False)


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="Tear everything down at the end and exit.")] = False,
    output: OutputOption = Output.table,
) -> None:
    """Show the whole way of a model on a local cluster: train, propose, promote, canary, roll back, rebuild.

    Examples:
      mlgitops demo                        stays up at the end, until Ctrl-C
      mlgitops demo --once --output json   for scripts
    """
    from rich.console import Console

    from mlgitops.demo import show

    try:
        result = show.run(Console(stderr=output is Output.json), once=once or output is Output.json)
    except KeyboardInterrupt:
        sys.exit(130)
    if output is Output.json:
        print(json.dumps(result))
    sys.exit(0 if result["ok"] else 1)
