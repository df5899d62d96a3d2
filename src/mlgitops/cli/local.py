"""``mlgitops local``: a whole cluster on this machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlgitops.cli.output import Output, OutputOption, emit
from mlgitops.errors import NotFoundError

if TYPE_CHECKING:
    from mlgitops.local.cluster import Cluster

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="A whole cluster on this machine, without containers (Linux)."
)

Name = Annotated[str, typer.Option("--name", help="The cluster's name.")]
DEFAULT = "local"


@app.command()
def up(
    name: Name = DEFAULT,
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay, and take it down on Ctrl-C.")] = False,
) -> None:
    """Start a cluster, or find the one that runs.

    Example: mlgitops local up && export KUBECONFIG=$(mlgitops local kubeconfig)
    """
    import signal

    from mlgitops.local.cluster import Cluster

    cluster = Cluster.up(name, attached=foreground, progress=lambda line: typer.echo(line, err=True))
    typer.echo(f"cluster {name} is up")
    typer.echo(f"  gateway:    {cluster.gateway_url}")
    typer.echo(f"  kubectl:    export KUBECONFIG={cluster.kubeconfig}")
    if foreground:
        typer.echo("  Ctrl-C takes it down")
        ends = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        signal.pthread_sigmask(signal.SIG_BLOCK, ends)
        signal.sigwait(ends)
        cluster.down()
    else:
        typer.echo(f"  take down:  mlgitops local down --name {name}")


@app.command()
def down(
    name: Name = DEFAULT,
    forget: Annotated[bool, typer.Option("--forget", help="Also delete all that it stores.")] = False,
) -> None:
    """Stop a cluster; what it stores stays for the next time."""
    from mlgitops.local.cluster import Cluster

    cluster = Cluster.find(name)
    cluster.down()
    if forget:
        cluster.forget()
    typer.echo(f"cluster {name} is down" + (" and forgotten" if forget else ""))


@app.command()
def status(
    name: Annotated[str | None, typer.Option("--name", help="One cluster; default: all.")] = None,
    output: OutputOption = Output.table,
) -> None:
    """Show clusters, where they listen and the processes that they are made of."""
    from mlgitops.local.cluster import Cluster

    clusters = Cluster.list() if name is None else (Cluster.find(name),)
    described = [_described(cluster) for cluster in clusters]
    text = "\n".join(map(_text, described)) or "no clusters; run: mlgitops local up"
    emit(output, {"clusters": described}, text)


def _text(described: dict[str, Any]) -> str:
    places = [f"  {label:<12}{described[label]}" for label in ("api", "gateway", "kubeconfig")]
    parts = [f"  {one['name']:<26}pid {one['pid']:<9}restarts {one['restarts']}" for one in described["parts"]]
    return "\n".join([f"{described['name']}: {described['state']}", *places, *parts])


def _described(cluster: Cluster) -> dict[str, Any]:
    running = cluster.running
    parts = cluster.parts if running else {}
    return {
        "name": cluster.name,
        "state": "running" if running else "stopped",
        "api": cluster.endpoints.api_url,
        "gateway": cluster.gateway_url,
        "kubeconfig": str(cluster.kubeconfig),
        "parts": [{"name": part, "pid": one.pid, "restarts": one.restarts} for part, one in parts.items()],
    }


@app.command()
def kubeconfig(name: Name = DEFAULT) -> None:
    """Print the path of a cluster's kubeconfig."""
    from mlgitops.local.cluster import Cluster

    typer.echo(str(Cluster.find(name).kubeconfig))


@app.command()
def logs(
    part: Annotated[str, typer.Argument(help="Whose log, such as gateway or kube-apiserver.", metavar="PART")],
    name: Name = DEFAULT,
    lines: Annotated[int, typer.Option("--tail", help="Only so many last lines; 0 for all.", min=0)] = 0,
) -> None:
    """Print the log of one of a cluster's parts.

    Example: mlgitops local logs gateway --tail 20
    """
    from mlgitops.local.cluster import Cluster

    cluster = Cluster.find(name)
    log = cluster.layout.log(part)
    if not log.is_file():
        known = ", ".join(sorted(path.stem for path in log.parent.glob("*.log")))
        raise NotFoundError(f"cluster {name} has no log of {part!r}; known: {known}")
    for line in log.read_text(errors="replace").splitlines()[-lines:]:
        typer.echo(line)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def kubectl(
    context: typer.Context,
    name: Name = DEFAULT,
    kubeconfig: Annotated[
        Path | None, typer.Option("--kubeconfig", help="Talk to the cluster of this file instead.", show_default=False)
    ] = None,
) -> None:
    """Run the kubectl that belongs to the cluster.

    Example: mlgitops local kubectl -- get pods --all-namespaces
    """
    from mlgitops.local import binaries
    from mlgitops.local.cluster import Cluster

    place = kubeconfig or Cluster.find(name).kubeconfig
    command = [*binaries.find().command("kubectl"), f"--kubeconfig={place}", *context.args]
    sys.stdout.flush()
    os.execv(command[0], command)  # noqa: S606 - a program of ours, no shell
