"""Which runtime serves a version: a pure choice by format, package ranges and priority."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from mlgitops.api import capabilities
from mlgitops.api.capabilities import Ask
from mlgitops.api.model import ModelVersion
from mlgitops.api.runtime import ServingRuntime, SupportedFormat
from mlgitops.errors import InputError, NotFoundError


def pick(version: ModelVersion, runtimes: Iterable[ServingRuntime], asks: Iterable[Ask] = ()) -> ServingRuntime:
    """Return the runtime that fits a version and what is asked of it: the highest priority, then the first name.

    Raises:
        NotFoundError: none fits; the message names the nearest and why it does not.
    """
    candidates = sorted(runtimes, key=lambda runtime: (-_priority(version, runtime), runtime.metadata.name))
    wanted = tuple(asks)
    reasons = [
        ((*misfits(version, runtime), *capabilities.missing(runtime, wanted)), runtime) for runtime in candidates
    ]
    for why, runtime in reasons:
        if not why:
            return runtime
    what = f"no ServingRuntime fits {version.metadata.name} (format {version.spec.artifact.format})"
    if not reasons:
        raise NotFoundError(f"{what}: there is none at all; add one under registry/runtimes/")
    # One that knows the format but misses a range is nearer than one that does not know it.
    why, nearest = min(reasons, key=lambda item: (_format(version, item[1]) is None, len(item[0])))
    raise NotFoundError(f"{what}; the nearest is {nearest.metadata.name}: {'; '.join(why)}")


def misfits(version: ModelVersion, runtime: ServingRuntime) -> Iterator[str]:
    """Yield each reason why a runtime does not fit a version; nothing when it fits.

    Raises:
        InputError: a range of the runtime is not one of PEP 440.
    """
    supported = _format(version, runtime)
    if supported is None:
        known = ", ".join(item.name for item in runtime.spec.supported_formats)
        yield f"it serves {known}, not {version.spec.artifact.format}"
        return
    environment = version.spec.environment
    installed = {canonicalize_name(name): text for name, text in (environment.packages if environment else {}).items()}
    for package, wanted in supported.packages.items():
        found = installed.get(canonicalize_name(package))
        if found is None:
            yield f"it needs {package} {wanted}, and spec.environment.packages does not name {package}"
        elif not _within(found, wanted, f"{runtime.metadata.name}: {package}"):
            yield f"it needs {package} {wanted}, the version has {found}"


def is_range(text: str) -> bool:
    """Say whether a text is a version range of PEP 440."""
    try:
        SpecifierSet(text)
    except InvalidSpecifier:
        return False
    return True


def _within(found: str, wanted: str, where: str) -> bool:
    try:
        # A release candidate that was trained with is what must be served.
        return SpecifierSet(wanted).contains(Version(found), prereleases=True)
    except InvalidSpecifier as error:
        raise InputError(f"{where}: {wanted!r} is not a version range (PEP 440)") from error
    except InvalidVersion:
        return False


def _format(version: ModelVersion, runtime: ServingRuntime) -> SupportedFormat | None:
    wanted = version.spec.artifact.format
    return next((item for item in runtime.spec.supported_formats if item.name == wanted), None)


def _priority(version: ModelVersion, runtime: ServingRuntime) -> int:
    supported = _format(version, runtime)
    return supported.priority if supported else 0
