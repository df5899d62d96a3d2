"""A revision: one rendered pod template, named by its own digest, kept in a ControllerRevision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from mlgitops import digest as digests
from mlgitops.api import ModelVersion, PromotionPolicy
from mlgitops.plan import labels, pods
from mlgitops.plan.inputs import Inputs

Raw = dict[str, Any]

# Hex digits of a revision's name: 40 bits tell the revisions of one deployment apart.
_NAME: Final = 10


@dataclass(frozen=True, slots=True)
class Revision:
    """A pod template and the version that it serves.

    ``settings`` is the content of the ConfigMap that the pods read: where the package
    lies now and what is trusted in it. It is no part of the revision's identity.
    """

    name: str
    model: str
    version: str
    digest: str
    template: Mapping[str, Any]
    settings: Mapping[str, str] = field(default_factory=dict)


def render(inputs: Inputs) -> Revision:
    """Return the revision that the deployment's specs ask for now.

    The inputs must not be blocked: version and runtime are known.
    """
    version, runtime = inputs.version, inputs.runtime
    assert version is not None and runtime is not None
    template = pods.template(inputs.deployment, version, runtime)
    return Revision(
        name=digests.hex_of(digests.of_json(template))[:_NAME],
        model=version.spec.model_ref.name,
        version=version.spec.version,
        digest=version.spec.artifact.digest,
        template=template,
        settings=settings(version, inputs.policy),
    )


def settings(version: ModelVersion, policy: PromotionPolicy | None) -> dict[str, str]:
    """Return what a version's pods read besides their template: place, trusted types, whether code may run.

    A type or code is trusted when the version asks for it and the policy grants it.
    """
    artifact = version.spec.artifact
    prefixes = policy.spec.artifacts.prefixes if policy else ()
    granted = policy.spec.formats.trusted_types if policy else ()
    code = policy.spec.formats.allow_code if policy else ()
    place = {
        "uri": artifact.uri,
        "mirrors": list(artifact.mirrors),
        "format": artifact.format,
        "prefixes": list(prefixes),
    }
    trusted = [name for name in artifact.required_types if name in granted]
    allowed = artifact.allow_code and artifact.format in code
    return {
        "artifact": digests.canonical_json(place).decode(),
        "trusted-types": digests.canonical_json(trusted).decode(),
        "allow-code": "true" if allowed else "false",
    }


def to_raw(revision: Revision, deployment: str, metadata: Raw) -> Raw:
    """Return the ControllerRevision that keeps a revision; ``metadata`` holds namespace, labels and owner."""
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {**metadata, "name": labels.child_name(deployment, revision.name)},
        "revision": int(revision.version),
        "data": {
            "model": revision.model,
            "version": revision.version,
            "digest": revision.digest,
            "template": revision.template,
        },
    }


def from_raw(raw: Mapping[str, Any], settings: Mapping[str, str]) -> Revision:
    """Read a ControllerRevision back, with the content of its settings' ConfigMap."""
    data = raw["data"]
    return Revision(
        name=raw["metadata"]["labels"][labels.REVISION],
        model=data["model"],
        version=data["version"],
        digest=data["digest"],
        template=data["template"],
        settings=settings,
    )
