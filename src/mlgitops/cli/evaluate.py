"""``mlgitops evaluate``: challenger and champion on the same rows, signed."""

from __future__ import annotations

from typing import Annotated

import typer

from mlgitops.cli.output import Output, OutputOption, emit

app = typer.Typer(add_completion=False)


@app.command()
def evaluate(
    address: Annotated[str, typer.Argument(metavar="MODEL:VERSION", help="The challenger.")],
    stage: Annotated[str, typer.Option(help="The stage whose version is the champion.")],
    dataset: Annotated[str, typer.Option(metavar="NAME=FILE|URI", help="CSV with a line of names, or Parquet.")],
    target: Annotated[str, typer.Option(help="The column that holds the truth.")] = "target",
    output: OutputOption = Output.table,
) -> None:
    """Score a version and its stage's champion in a sandbox; sign the result into the ledger.

    Example: mlgitops evaluate iris:2 --stage production --dataset holdout=holdout.csv
    """
    from mlgitops.api import addresses
    from mlgitops.bot.context import open_context
    from mlgitops.bot.evaluate import evaluate as verb
    from mlgitops.errors import InputError

    found = addresses.parse(address)
    if not isinstance(found, addresses.ModelAddress) or not found.version:
        raise InputError(f"{address!r} names no version; expected MODEL:VERSION such as iris:2")
    done = verb(open_context(), found.model, found.version, stage=stage, dataset=dataset, target=target)
    data = {
        "model": done.model,
        "version": done.version,
        "stage": done.stage,
        "champion": done.champion,
        "dataset": done.dataset,
        "rows": done.rows,
        "metrics": {
            role: {
                name: {"value": metric.value, "stdErr": metric.standard_error, "samples": metric.samples}
                for name, metric in measured.items()
            }
            for role, measured in done.metrics.items()
        },
        "statement": done.statement,
        "losses": done.losses,
    }
    lines = [f"{done.rows} rows of {done.dataset}, champion {done.champion or 'none'}"]
    for role, measured in done.metrics.items():
        lines += [f"  {role:<10} {name:<24} {m.value:.4g} ± {m.standard_error:.2g}" for name, m in measured.items()]
    emit(output, data, "\n".join([*lines, f"signed as statement {done.statement}"]))
