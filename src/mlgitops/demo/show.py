"""Runs the story and says how it went."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from mlgitops.demo.data import QUESTION
from mlgitops.demo.narration import Narrator
from mlgitops.demo.story import DEPLOYMENT, NAMESPACE, World, tell
from mlgitops.errors import MlgitopsError

ENDING = """
[bold]It stays up until Ctrl-C.[/bold] Play on:
  curl -s {url} -d '{question}'
  export PATH={programs}:$PATH KUBECONFIG={kubeconfig}
  mlgitops local kubectl --kubeconfig {kubeconfig} -- get modeldeployments,modelstages,pods --namespace {namespace}
  mlgitops local kubectl --kubeconfig {kubeconfig} -- describe modeldeployment/{deployment} --namespace {namespace}
  cd {registry} && git pull --quiet origin main && git log --oneline && mlgitops pr list --all
"""


def run(console: Console, *, once: bool) -> dict[str, Any]:
    """Tell the story in a temporary folder; unless ``once``, stay up until Ctrl-C.

    Returns:
        What the demo's JSON shows: ``ok``, ``wall_seconds``, ``merge_to_serving_seconds``,
        ``requests``, ``failed_requests``, ``steps``, and ``error`` when it did not end well.
    """
    root = Path(tempfile.mkdtemp(prefix="mlgitops-demo-"))
    world = World(root, Narrator(console))
    began = time.monotonic()
    error: str | None = None
    try:
        try:
            tell(world)
        except (MlgitopsError, OSError) as problem:
            error = str(problem)
        wall = time.monotonic() - began
        result = _result(world, wall, error)
        _sum_up(console, result)
        if error is None and not once:
            _stay(console, world)
            console.print("\ntaking the cluster down", highlight=False)
    finally:
        if world.cluster is not None:
            world.cluster.down()
        shutil.rmtree(root, ignore_errors=True)
    return result


def _result(world: World, wall: float, error: str | None) -> dict[str, Any]:
    ok = error is None and all(step.ok for step in world.narrator.steps)
    return {
        "ok": ok,
        "wall_seconds": round(wall, 2),
        "merge_to_serving_seconds": round(world.merge_to_serving, 2),
        "requests": world.requests,
        "failed_requests": len(world.failures),
        "steps": [step.to_json() for step in world.narrator.steps],
        **({"error": error} if error else {}),
    }


def _sum_up(console: Console, result: dict[str, Any]) -> None:
    if not result["ok"]:
        console.print("\n[red]the demo did not end well:[/red]", highlight=False)
        console.print(result["error"], markup=False, highlight=False)
        return
    console.print(
        f"\n[bold green]done[/bold green] in {result['wall_seconds']:.0f} s: {result['requests']} requests, "
        f"{result['failed_requests']} failed; merge → serving {result['merge_to_serving_seconds']:.1f} s",
        highlight=False,
    )


def _stay(console: Console, world: World) -> None:
    console.print(
        ENDING.format(
            url=world.url,
            programs=Path(sys.executable).parent,
            question=json.dumps(QUESTION),
            kubeconfig=world.running.kubeconfig,
            namespace=NAMESPACE,
            deployment=DEPLOYMENT,
            registry=world.reviewer.folder,
        ),
        highlight=False,
        soft_wrap=True,
    )
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: over.set())
    over.wait()
