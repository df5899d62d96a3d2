"""``mlgitops render``: the Kubernetes objects that deployments become."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from mlgitops.errors import CheckFailedError, NotFoundError

app = typer.Typer(add_completion=False, help="Print the objects of a deployment.")


class Form(StrEnum):
    """How the objects are printed."""

    yaml = "yaml"
    json = "json"


@app.command()
def render(
    deployment: Annotated[str, typer.Argument(help="NAME or ENVIRONMENT/NAME; default: all of them.")] = "",
    path: Annotated[Path, typer.Option(help="The registry.")] = Path(),
    output: Annotated[Form, typer.Option("--output", "-o", help="How the objects are printed.")] = Form.yaml,
) -> None:
    """Print what the operator would apply for a deployment, as it stands when its roll-out has ended.

    Examples:
      mlgitops render iris-production
      mlgitops render prod-eu/iris-production --output json
    """
    import yaml

    from mlgitops import plan, registry

    found = plan.rendered(registry.load(path.resolve()))
    chosen = {key: what for key, what in found.items() if deployment in ("", key[1], "/".join(key))}
    if deployment and not chosen:
        known = ", ".join("/".join(key) for key in sorted(found)) or "none"
        raise NotFoundError(f"no ModelDeployment {deployment}; known: {known}")
    objects: list[dict[str, Any]] = []
    for key, what in sorted(chosen.items()):
        if isinstance(what, plan.Blocked):
            raise CheckFailedError(f"{'/'.join(key)} cannot be rendered: {what.reason}: {what.message}")
        objects += what
    if output is Form.json:
        typer.echo(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    else:
        typer.echo(yaml.safe_dump_all(objects, sort_keys=False, allow_unicode=False), nl=False)
