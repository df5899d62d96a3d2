"""A new registry repo: what ``mlgitops init`` writes."""

from __future__ import annotations

import json
import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from importlib.resources import files
from pathlib import Path
from typing import Final

from mlgitops.api import names
from mlgitops.artifacts import Location
from mlgitops.config import FILE
from mlgitops.errors import InputError
from mlgitops.files import write_atomic
from mlgitops.git.names import check_url
from mlgitops.registry import editor, layout, owners
from mlgitops.registry.tree import Tree

STAGES: Final = ("staging", "production")
_LINE: Final = re.compile(r"[!-~]([ -~]*[!-~])?")


@dataclass(frozen=True, slots=True)
class Settings:
    """What a new registry is about.

    ``url`` is the git remote and ``store`` the URI that packages are uploaded to;
    ``public_key`` verifies evaluations, and without one no evaluation counts.
    ``interval`` is how often a cluster asks for new commits, a duration.
    """

    url: str
    store: str
    name: str = "registry"
    branch: str = "main"
    owners: tuple[str, ...] = ()
    stages: tuple[str, ...] = STAGES
    environment: str = "default"
    namespace: str = "models"
    interval: str = "1m"
    public_key: str | None = None


def remote_address(text: str) -> str:
    """Return the address of a git remote as a registry's files name it: a URL, or ``user@host:path``.

    Raises:
        InputError: it is neither, nor an absolute path.
    """
    if text.startswith("/"):
        return Path(text).as_uri()
    if "://" not in text and ":" not in text:
        raise InputError(
            f"--url {text!r} is no address that clusters and CI could use; expected https://…, ssh://…, file:///…, "
            "user@host:path, or an absolute path"
        )
    return check_url(text)


def store_address(text: str) -> str:
    """Return the URI of a store.

    Raises:
        InputError: neither ``s3://`` nor ``file://``.
    """
    try:
        Location.parse(text)
    except InputError as error:
        cure = f"; for a folder write: --store {Path(text).absolute().as_uri()}" if "://" not in text else ""
        raise InputError(f"--store {error}{cure}") from error
    return text


def scaffold(folder: Path, settings: Settings) -> tuple[Path, ...]:
    """Write a new registry repo into a folder and return the files that are new.

    A file that is there with the same content stays; schemas of another release are renewed.

    Raises:
        InputError: a setting cannot be written, or a file is there with other content;
            then nothing is written.
    """
    wanted = {folder / path: text.encode() for path, text in contents(settings).items()}
    differing = {path for path, data in wanted.items() if path.exists() and path.read_bytes() != data}
    generated = {folder / path for path in editor.files()}
    if differing - generated:
        names_of = ", ".join(sorted(map(str, differing - generated)))
        raise InputError(f"{names_of} exist with other content; init writes only what is not there")
    new = tuple(path for path in wanted if path in differing or not path.exists())
    for path in new:
        write_atomic(path, wanted[path])
    return new


def contents(settings: Settings) -> dict[str, str]:
    """Return the files of a new registry repo by path.

    Raises:
        InputError: a setting cannot be written.
    """
    _check(settings)
    values = _values(settings)
    github = _template("github.yaml", values)
    keep = (f"{layout.ROOT}/models", f"{layout.DEPLOYMENTS}/{settings.environment}")
    return {
        FILE: _template("mlgitops.toml", values),
        "README.md": _template("README.md", values),
        ".gitattributes": _template("gitattributes", values),
        owners.FILE: owners.render(Tree(()), settings.owners),
        layout.policy("default"): _template("policy.yaml", values),
        layout.runtime("python-1"): _template("runtime.yaml", values),
        f"clusters/{settings.environment}.yaml": _template("cluster.yaml", values),
        ".github/workflows/mlgitops.yaml": github,
        ".gitea/workflows/mlgitops.yaml": github,
        ".gitlab-ci.yml": _template("gitlab.yaml", values),
        **editor.files(),
        # git keeps no empty folder, and a cluster that follows one must find it.
        **{f"{path}/.gitkeep": "" for path in keep},
    }


def _check(settings: Settings) -> None:
    for text in (settings.environment, settings.namespace, *settings.stages):
        if not names.is_name(text):
            raise InputError(f"{text!r} is not a name; use at most 40 lower-case letters, digits and dashes")
    if not settings.stages:
        raise InputError("a model needs at least one stage; name them in their order")
    for text in (settings.url, settings.store, settings.name, settings.branch, settings.interval, *settings.owners):
        if not _LINE.fullmatch(text):
            raise InputError(f"{text!r} must be one line of printable ASCII text")


def _values(settings: Settings) -> dict[str, str]:
    return {
        "version": metadata.version("mlgitops"),
        "title": settings.name,
        "name": _quoted(settings.name),
        "url": _quoted(settings.url),
        "branch": _quoted(settings.branch),
        "store": _quoted(settings.store),
        "stages": _quoted(list(settings.stages)),
        "owners": _quoted(list(settings.owners)),
        "prefix": _quoted(settings.store.rstrip("/") + "/"),
        "interval": _quoted(settings.interval),
        "environment": settings.environment,
        "namespace": settings.namespace,
        "signers": _signers(settings.public_key),
    }


def _quoted(value: str | list[str]) -> str:
    """Return a value that means the same in TOML, YAML and JSON (printable ASCII only)."""
    return json.dumps(value)


def _signers(public_key: str | None) -> str:
    if public_key is None:
        return ""
    return (
        "\n  # Whose evaluations count."
        "\n  signers:"
        "\n  - name: ci"
        f"\n    publicKey: {_quoted(public_key)}"
        "\n    statements: [evaluated]"
    )


class _Template(string.Template):
    # "$" belongs to the shells and workflows that the files are full of.
    delimiter = "%"


def _template(name: str, values: Mapping[str, str]) -> str:
    text = files(__package__).joinpath("templates", name).read_text("utf-8")
    return _Template(text).substitute(values)
