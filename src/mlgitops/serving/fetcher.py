"""The init container ``fetch``: puts a package into the pod's volume, or says why it cannot.

``python -m mlgitops.serving.fetcher`` reads MLGITOPS_ARTIFACT (JSON: uri, mirrors, format,
prefixes), MLGITOPS_DIGEST and MLGITOPS_MODEL_DIR. It ends with 0 and a message whose
reason is Fetched, or with 1 and DigestMismatch, NotFound, Forbidden or Unavailable.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlgitops.artifacts import ForbiddenError, fetch, within
from mlgitops.errors import InputError, IntegrityError, MlgitopsError, NotFoundError
from mlgitops.packages import inspect
from mlgitops.serving import termination
from mlgitops.serving.settings import required

_ACCESS = " (in a cluster the Secret that the ModelDeployment's spec.artifactAccess.secretRef names)"


@dataclass(frozen=True, slots=True)
class Order:
    """What to fetch: places in the order to try them, the only prefixes they may lie under, digest, target, format."""

    places: tuple[str, ...]
    prefixes: tuple[str, ...]
    digest: str
    folder: Path
    format: str = ""  # that the ModelVersion names


def read_order(environment: Mapping[str, str]) -> Order:
    """Read what the pod was told to fetch.

    Raises:
        InputError: a variable is missing or malformed.
    """
    text = required(environment, "MLGITOPS_ARTIFACT")
    try:
        artifact = json.loads(text)
        places = (str(artifact["uri"]), *map(str, artifact.get("mirrors") or ()))
        prefixes = tuple(map(str, artifact.get("prefixes") or ()))
        format_ = str(artifact.get("format") or "")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"MLGITOPS_ARTIFACT is not a JSON object with a uri: {error!r}") from error
    digest, folder = required(environment, "MLGITOPS_DIGEST"), Path(required(environment, "MLGITOPS_MODEL_DIR"))
    return Order(places, prefixes, digest, folder, format_)


def run(order: Order) -> dict[str, Any]:
    """Fetch a package and return the termination message; what went wrong is in its reason."""
    allowed = [place for place in order.places if within(place, order.prefixes)]
    message = {"uri": order.places[0], "expected": order.digest, "found": ""}
    if not allowed:
        prefixes = ", ".join(order.prefixes) or "none"
        return {
            **message,
            "reason": "Forbidden",
            "message": f"{order.places[0]} lies outside the artifact prefixes of the policy: {prefixes}",
        }
    try:
        manifest = fetch(allowed[0], order.digest, order.folder, mirrors=allowed[1:])
    except MlgitopsError as error:
        # Both digests of the same thing: of the manifest, or of the one file that differs from it.
        digests = {"expected": error.expected, "found": error.found} if isinstance(error, IntegrityError) else {}
        way_out = _ACCESS if isinstance(error, ForbiddenError) else ""
        return {**message, **digests, "reason": _reason(error), "message": f"{error}{way_out}"}
    found = _format_of(order.folder)
    if order.format and found and found != order.format:
        # What the policy allows goes by the format, so it has to be the one that was reviewed.
        text = f"the package is of the format {found}; its ModelVersion says {order.format}"
        return {**message, "found": manifest.digest, "reason": "Forbidden", "message": text}
    return {**message, "found": manifest.digest, "reason": "Fetched", "message": f"{manifest.size} bytes verified"}


def _format_of(folder: Path) -> str:
    """Return what a package says it is; empty when it says nothing, which the server will tell of."""
    try:
        return inspect(folder).format
    except InputError:
        return ""


def _reason(error: MlgitopsError) -> str:
    for kind, reason in (
        (IntegrityError, "DigestMismatch"),
        (NotFoundError, "NotFound"),
        (ForbiddenError, "Forbidden"),
    ):
        if isinstance(error, kind):
            return reason
    return "Unavailable"


def main() -> int:
    """Fetch what the environment says and return the exit code."""
    try:
        message = run(read_order(os.environ))
    except InputError as error:
        message = {"reason": "Unavailable", "uri": "", "expected": "", "found": "", "message": str(error)}
    termination.write(message)
    return 0 if message["reason"] == "Fetched" else 1


if __name__ == "__main__":
    sys.exit(main())
