"""``mlgitops init``: a new registry repo, and the key that signs evaluations."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated

import typer

from mlgitops.cli.output import Output, OutputOption
from mlgitops.config import FILE
from mlgitops.errors import InputError, NotFoundError

app = typer.Typer(add_completion=False, help="Make a registry repository.")

_NOT_NAME = re.compile(r"[^A-Za-z0-9._-]+")


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="The folder of the new repository.")] = Path(),
    url: Annotated[str, typer.Option(help="Its git remote; default: the folder itself.")] = "",
    name: Annotated[str, typer.Option(help="Its name, which names its key too; default: from the URL.")] = "",
    store: Annotated[str, typer.Option(help="Where packages are uploaded: s3://… or file://…")] = "",
    owners: Annotated[str, typer.Option(help="Who reviews, separated by commas.")] = "",
    stages: Annotated[str, typer.Option(help="The stages of a new model in their order.")] = "staging,production",
    environment: Annotated[str, typer.Option(help="The first environment.")] = "default",
    namespace: Annotated[str, typer.Option(help="Its namespace.")] = "models",
    interval: Annotated[str, typer.Option(help="How often the cluster looks; default: 1m, 1s for file://")] = "",
    output: OutputOption = Output.table,
) -> None:
    """Write the files of a new registry, and a signing key for evaluations unless there is one.

    Example: mlgitops init registry --url git@example.com:team/registry.git --store s3://models
    """
    from mlgitops import registry

    folder = folder.resolve()
    own = folder.as_uri()
    url = registry.remote_address(url) if url else own
    store = registry.store_address(store) if store else (folder.parent / f"{folder.name}-store").as_uri()
    name = _named(name, url)
    is_new = not (folder / FILE).exists()
    key, public, fresh = _signing_key(name)
    settings = registry.Settings(
        url=url,
        store=store,
        name=name,
        owners=_listed(owners),
        stages=_listed(stages),
        environment=environment,
        namespace=namespace,
        interval=interval or ("1s" if url.startswith("file://") else "1m"),
        public_key=public,
    )
    written = [str(path.relative_to(folder)) for path in registry.scaffold(folder, settings)]
    if output is Output.json:
        typer.echo(json.dumps({"folder": str(folder), "files": written, "key": str(key), "publicKey": public}))
        return
    for path in written:
        typer.echo(f"wrote {path}")
    typer.echo(f"signing key: {key}, {_about_key(fresh, is_new)} (keep it; CI reads it from MLGITOPS_SIGNING_KEY)")
    typer.echo(f"next: {_next(folder, '' if url == own else url)}")
    typer.echo(f"then: kubectl apply --server-side -f clusters/{environment}.yaml")


def _named(name: str, url: str) -> str:
    if not name:
        return _NOT_NAME.sub("-", url.rstrip("/").removesuffix(".git").rpartition("/")[2]) or "registry"
    if _NOT_NAME.search(name) or name.startswith("."):
        raise InputError(f"{name!r} is not a name; use letters, digits, dashes, dots and underscores")
    return name


def _about_key(fresh: bool, is_new: bool) -> str:
    if fresh:
        return "made"
    if is_new:
        return (
            "which another registry of that name has already: both count what it signs; "
            "for a key of its own, remove what was written and choose another --name"
        )
    return "which was there already"


def _next(folder: Path, url: str) -> str:
    """Return what to do with the files; ``url`` is empty when the folder itself is the remote."""
    from mlgitops.git import Repository

    try:
        repository = Repository.open(folder)
    except NotFoundError:
        repository = None
    # One around the folder is another project's: clusters and bots look for registry/ at the top.
    if repository is None or repository.root != folder:
        steps, remote = [f"in {folder}: git init --initial-branch=main", "commit all files"], None
    else:
        steps, remote = [f"commit what is in {folder}"], repository.remote_url()
    if url and remote is None:
        steps.append(f"git remote add origin {url}")
    if url:
        steps.append("push")
    return ", ".join(steps)


def _signing_key(name: str) -> tuple[Path, str, bool]:
    """Return the registry's key file, made when it is missing, its public half, and whether it was made."""
    from mlgitops import config
    from mlgitops.evidence import Key

    path = config.config_dir() / "keys" / f"{name}.key"
    if path.exists():
        return path, Key.load(path).public, False
    key = Key.generate()
    key.save(path)
    return path, key.public, True


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
