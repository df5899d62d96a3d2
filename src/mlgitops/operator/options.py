"""What can be set on the operator's command line or in its environment."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from mlgitops.errors import InputError

_PREFIX = "MLGITOPS_OPERATOR_"


@dataclass(frozen=True, slots=True)
class Options:
    """Settings of one operator process; each has a flag and a variable ``MLGITOPS_OPERATOR_<NAME>``."""

    kubeconfig: Path | None = None
    context: str | None = None
    namespace: str | None = None
    workers: int = 16
    probes_port: int = 0
    lease: str | None = None
    lease_namespace: str = "mlgitops-system"
    log_level: str = "INFO"

    @classmethod
    def from_environment(cls) -> Options:
        """Read the variables; what is not set keeps its default.

        Raises:
            InputError: a number is none.
        """
        names = {field.name for field in fields(cls)}
        found = {name: os.environ[_PREFIX + name.upper()] for name in names if os.environ.get(_PREFIX + name.upper())}
        return cls._of(found)

    @classmethod
    def from_command_line(cls, arguments: Sequence[str]) -> Options:
        """Read flags, and the variables for those that are not given.

        Raises:
            InputError: a number is none.
        """
        parser = argparse.ArgumentParser("python -m mlgitops.operator", description="Make a cluster agree with git.")
        parser.add_argument("--kubeconfig", help="a kubeconfig file; default: KUBECONFIG, then the pod's account")
        parser.add_argument("--context", help="a context of the kubeconfig")
        parser.add_argument("--namespace", help="look after one namespace only; default: all")
        parser.add_argument("--workers", help="so many objects are worked on at once; default: 16")
        parser.add_argument("--probes-port", help="serve /healthz and /readyz on this port; default: 0, not at all")
        parser.add_argument("--lease", help="name of a Lease: work only while holding it; default: none")
        parser.add_argument("--lease-namespace", help="namespace of the Lease; default: mlgitops-system")
        parser.add_argument("--log-level", help="DEBUG, INFO, WARNING or ERROR; default: INFO")
        given = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value is not None}
        environment = cls.from_environment()
        base = {field.name: getattr(environment, field.name) for field in fields(cls)}
        return cls._of({**{name: str(value) for name, value in base.items() if value is not None}, **given})

    @classmethod
    def _of(cls, texts: dict[str, str]) -> Options:
        values: dict[str, object] = dict(texts)
        for name in ("workers", "probes_port"):
            if name in texts:
                if not texts[name].isdecimal():
                    raise InputError(f"--{name.replace('_', '-')} must be a whole number, not {texts[name]!r}")
                values[name] = int(texts[name])
        if "kubeconfig" in texts:
            values["kubeconfig"] = Path(texts["kubeconfig"])
        return cls(**values)  # type: ignore[arg-type] # converted above
