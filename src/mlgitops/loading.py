"""``mlgitops.load_model``: from an address to a model in memory, its digest verified on the way."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from mlgitops import api, artifacts, config, digest, packages, registry, tracking
from mlgitops.api import ModelVersion
from mlgitops.api.addresses import ModelAddress, RunAddress
from mlgitops.api.policy import FormatRule
from mlgitops.bot.context import mirror
from mlgitops.config import Config
from mlgitops.errors import InputError, IntegrityError, NotFoundError
from mlgitops.files import lock
from mlgitops.packages import LoadedModel
from mlgitops.registry import Tree, layout
from mlgitops.tracking.records import settled


def load_model(address: str, *, trusted_types: Sequence[str] = (), allow_code: bool = False) -> LoadedModel:
    """Load the model that an address names.

    A path or ``runs:/ID[/NAME]`` is read where it lies. ``MODEL:VERSION``, ``MODEL@STAGE`` and
    ``models:/…`` are looked up in the registry of the nearest ``mlgitops.toml`` (the folder
    itself when it holds one, else the remote's base branch), fetched from the store by digest and
    kept in the cache; what its policy trusts is trusted here.

    Args:
        address: what to load.
        trusted_types: types that a skops package may use beyond those that we ship as trusted.
        allow_code: whether a format that runs code may be loaded from a path or run.

    Raises:
        InputError: the address has no known form, or names several models.
        NotFoundError: what it names does not exist; the message lists what does.
        IntegrityError: the bytes are not what the digest promises.
        OutsideError: registry or store cannot be reached.
    """
    found = api.addresses.parse(address)
    if isinstance(found, ModelAddress):
        settings = config.load()
        return _registered(_tree(settings), found, trusted_types)
    if isinstance(found, RunAddress):
        folder, promised = _logged(found)
        return packages.load(folder, digest=promised, trusted_types=trusted_types, allow_code=allow_code)
    return packages.load(Path(found.path), trusted_types=trusted_types, allow_code=allow_code)


def _logged(address: RunAddress) -> tuple[Path, str]:
    record = settled(tracking.read(tracking.find(tracking.root(), address.run)))
    named = [model for model in record.models if address.name in ("", model.name)]
    if len(named) == 1:
        return record.folder / named[0].path, named[0].digest
    known = ", ".join(model.name for model in record.models)
    if not known:
        lost = next((f": {problem}" for problem in record.problems if "model" in problem), "")
        raise NotFoundError(f"run {record.id} has no model{lost}; see: mlgitops runs {record.id}")
    raise NotFoundError(f"{address} names {len(named)} models; the run logged: {known}; name one as runs:/ID/NAME")


def _tree(settings: Config) -> Tree:
    if settings.root and (settings.root / layout.ROOT).is_dir():
        return registry.load(settings.root)
    url, branch = settings.require("registry.url"), settings.get("registry.branch") or "main"
    repository = mirror(url)
    base = f"refs/remotes/origin/{branch}"
    repository.fetch(url, f"+refs/heads/{branch}:{base}")
    return registry.load((repository, repository.resolve(base)))


def _version(tree: Tree, address: ModelAddress) -> ModelVersion:
    number = address.version
    if address.stage:
        stage = tree.stage(address.model, address.stage)
        number = stage.spec.version if stage else ""
    version = tree.version(address.model, number) if number else None
    if version:
        return version
    versions = ", ".join(known.spec.version for known in tree.versions(address.model)) or "none"
    stages = ", ".join(
        stage.spec.stage for stage in tree.all(api.ModelStage) if stage.spec.model_ref.name == address.model
    )
    raise NotFoundError(
        f"{address} names no version; versions of {address.model}: {versions}; its stages: {stages or 'none'}"
    )


def _registered(tree: Tree, address: ModelAddress, trusted_types: Sequence[str]) -> LoadedModel:
    version = _version(tree, address)
    artifact, policy = version.spec.artifact, tree.policy(address.model)
    allowed = policy.spec.artifacts.prefixes if policy else ()
    places = [uri for uri in (artifact.uri, *artifact.mirrors) if artifacts.within(uri, allowed)]
    if not places:
        raise InputError(
            f"{artifact.uri} of {version.metadata.name} is outside of what its policy allows: "
            f"{', '.join(allowed) or 'nothing'}; add its prefix to spec.artifacts.prefixes"
        )
    folder = config.cache_dir() / "models" / digest.hex_of(artifact.digest)
    _fetch_once(places, artifact.digest, folder)
    formats = policy.spec.formats if policy else FormatRule()
    return packages.load(
        folder,
        digest=artifact.digest,
        trusted_types=(*trusted_types, *formats.trusted_types),
        allow_code=artifact.allow_code and artifact.format in formats.allow_code,
        expected=artifact.format,
    )


def _fetch_once(places: Sequence[str], promised: str, folder: Path) -> None:
    """Fill the cache's folder of a digest; one that was damaged is fetched again."""
    with lock(folder.with_suffix(".lock")):
        if folder.exists():
            try:
                digest.verify(folder, promised)
                return
            except (InputError, IntegrityError):
                shutil.rmtree(folder)
        artifacts.fetch(places[0], promised, folder, mirrors=places[1:])
