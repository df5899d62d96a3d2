"""A model on disk: what its folder says about it, read without loading anything of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from mlgitops import digest
from mlgitops.errors import InputError, NotFoundError
from mlgitops.packages.formats import FORMATS, Safety
from mlgitops.packages.signature import Signature

MLMODEL: Final = "MLmodel"
REQUIREMENTS: Final = "requirements.txt"
EXAMPLE: Final = "input_example.json"

# Our part of an MLmodel file stands among the flavors, where MLflow skips what it does not know.
FLAVOR: Final = "mlgitops"


@dataclass(frozen=True, slots=True)
class Package:
    """What a package's folder says about itself.

    ``size`` is in bytes, ``digest`` names the whole content, ``packages`` are the
    exact versions that the model was saved with, ``required_types`` what it needs
    beyond the types that we ship as trusted, and ``settings`` what its format keeps
    for its own loading.
    """

    folder: Path
    format: str
    digest: str
    size: int
    signature: Signature
    required_types: tuple[str, ...]
    python: str
    packages: Mapping[str, str]
    requirements_digest: str
    safety: Safety
    settings: Mapping[str, Any]

    @property
    def data(self) -> Path:
        """The file that holds the model itself."""
        return self.folder / FORMATS[self.format].file


def inspect(folder: Path) -> Package:
    """Read what a package says about itself; nothing of the model is loaded or trusted.

    Raises:
        NotFoundError: the folder is no package.
        InputError: its MLmodel file or manifest cannot be read, or its format is unknown.
    """
    try:
        described = yaml.load((folder / MLMODEL).read_bytes(), Loader=_LOADER)  # noqa: S506 - a safe loader
        manifest_bytes = (folder / digest.MANIFEST).read_bytes()
    except FileNotFoundError as error:
        raise NotFoundError(f"{folder} is no model package: it has no {Path(str(error.filename)).name}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{folder / MLMODEL}: {error}") from error
    manifest = digest.Manifest.from_bytes(manifest_bytes)
    try:
        ours = described["flavors"][FLAVOR]
        return Package(
            folder=folder,
            format=_known(str(ours["format"])),
            digest=manifest.digest,
            size=manifest.size,
            signature=Signature.from_json(ours["signature"]),
            required_types=tuple(str(name) for name in ours["required_types"]),
            python=str(ours["python"]),
            packages={str(name): str(version) for name, version in ours["packages"].items()},
            requirements_digest=next(entry.digest for entry in manifest.files if entry.path == REQUIREMENTS),
            safety=FORMATS[ours["format"]].safety,
            settings=dict(ours["settings"]),
        )
    except (KeyError, TypeError, AttributeError, ValueError, StopIteration) as error:
        raise InputError(f"{folder / MLMODEL} does not describe a package of mlgitops: {error!r}") from error


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _known(name: str) -> str:
    if name not in FORMATS:
        raise InputError(f"format {name!r} is unknown; known: {', '.join(FORMATS)}")
    return name
