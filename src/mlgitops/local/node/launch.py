"""What a container runs: its command, environment and folder, with every path as it is on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from mlgitops.errors import InputError
from mlgitops.local.node.leftovers import Register
from mlgitops.local.node.mounts import Mounts
from mlgitops.local.node.programs import ImageTable, Program
from mlgitops.local.node.variables import Raw, Reader, expand, variables

_TERMINATION_LOG = "/dev/termination-log"
_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all containers of a pod share.

    ``pod`` returns the pod with its addresses, ``folder`` is the pod's own, ``volume``
    returns a volume's folder, ``given`` are variables that the node sets, ``changed`` is
    called when a container's state is another.
    """

    pod: Callable[[], Raw]
    address: str
    folder: Path
    volume: Callable[[str], Path]
    images: ImageTable
    given: Mapping[str, str]
    read: Reader
    http: aiohttp.ClientSession
    register: Register
    changed: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Launch:
    """A process about to start; ``message`` is the file for its termination message."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    mounts: Mounts
    message: Path


async def prepare(spec: Raw, program: Program, around: Surroundings) -> Launch:
    """Return what a container's part of the spec asks for; its termination message is empty from now on.

    Raises:
        InputError: it asks for what there is not.
        NotFoundError: it refers to a key that does not exist.
        KubeError: a ConfigMap or Secret cannot be read.
    """
    pod = around.pod()
    message = around.folder / "termination" / spec["name"]
    message.parent.mkdir(parents=True, exist_ok=True)
    message.write_bytes(b"")
    given = {
        "PATH": f"{program.python.parent}{os.pathsep}{os.defpath}",
        "HOME": str(around.folder),
        "HOSTNAME": pod["metadata"]["name"],
        **program.variables,
        **around.given,
        **_account(spec, around),
        "MLGITOPS_TERMINATION_LOG": str(message),
    }
    found = await variables(pod, spec, given, around.read)
    mounts = _mounts(spec, around, found, message)
    command = [expand(part, found) for part in spec.get("command") or program.entrypoint]
    command += [expand(part, found) for part in spec.get("args", ())]
    if not command:
        raise InputError(f"image {spec['image']} has no entrypoint; give the container a command")
    return Launch(
        command=tuple(mounts.rewrite_all(command)),
        # What the node gives are paths of this machine already.
        environment={
            name: value if given.get(name) == value else mounts.rewrite(value) for name, value in found.items()
        },
        folder=Path(mounts.rewrite(spec["workingDir"])) if spec.get("workingDir") else around.folder,
        mounts=mounts,
        message=message,
    )


def _account(spec: Raw, around: Surroundings) -> dict[str, str]:
    for mount in spec.get("volumeMounts", ()):
        if mount["mountPath"].rstrip("/") == _ACCOUNT:
            return {"MLGITOPS_SERVICE_ACCOUNT": str(around.volume(mount["name"]))}
    return {}


def _mounts(spec: Raw, around: Surroundings, found: Mapping[str, str], message: Path) -> Mounts:
    places = {spec.get("terminationMessagePath") or _TERMINATION_LOG: message}
    for mount in spec.get("volumeMounts", ()):
        below = expand(mount.get("subPathExpr") or mount.get("subPath") or "", found)
        if below.startswith("/") or ".." in Path(below).parts:
            raise InputError(f"subPath {below!r} leaves its volume")
        place = around.volume(mount["name"]) / below
        if not place.exists():
            place.mkdir(parents=True)
        places[mount["mountPath"]] = place
    return Mounts(places)
