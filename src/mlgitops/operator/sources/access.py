"""How a source is let in: its Secret, and whom it trusts; one GET each, for nothing else of Secrets may be read."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, TypeAlias

from mlgitops import api, kube
from mlgitops.api.source import CertificateReference
from mlgitops.errors import InputError
from mlgitops.git import Login, SshLogin
from mlgitops.kube import Session

Access: TypeAlias = Login | SshLogin | None


class SecretError(InputError):
    """What a source names to be let in by cannot be used."""


async def access(source: api.RegistrySource, session: Session) -> Access:
    """Read what a source names to be let in by.

    Raises:
        SecretError: it is not there, may not be read, or is not what it should be.
    """
    spec, namespace = source.spec, source.metadata.namespace
    authorities = await _authorities(spec.ca_ref, namespace, session) if spec.ca_ref else ""
    if spec.secret_ref is None:
        return Login(authorities=authorities) if authorities else None
    name = spec.secret_ref.name
    data = await _read("Secret", name, namespace, "spec.secretRef", session)
    by_key = "identity" in data or spec.url.startswith("ssh://") or "://" not in spec.url
    fields = ("identity", "known_hosts") if by_key else ("username", "password")
    missing = next((field for field in fields if field not in data), None)
    if missing:
        raise SecretError(f"Secret {name} has no field {missing!r}; expected {' and '.join(fields)}")
    try:
        first, second = (base64.b64decode(data[field]).decode() for field in fields)
    except (binascii.Error, UnicodeDecodeError) as error:
        raise SecretError(f"Secret {name} holds no text in {' and '.join(fields)}") from error
    return SshLogin(first, second) if by_key else Login(first, second, authorities=authorities)


async def _authorities(reference: CertificateReference, namespace: str, session: Session) -> str:
    data = await _read(reference.kind, reference.name, namespace, "spec.caRef", session)
    what = f"{reference.kind} {reference.name}"
    if reference.key not in data:
        raise SecretError(f"{what} has no field {reference.key!r}, which spec.caRef.key names")
    text = str(data[reference.key])
    try:
        found = base64.b64decode(text).decode() if reference.kind == "Secret" else text
    except (binascii.Error, UnicodeDecodeError) as error:
        raise SecretError(f"{what} holds no text in {reference.key}") from error
    if "-----BEGIN CERTIFICATE-----" not in found:
        raise SecretError(f"{what} holds no certificate in {reference.key}; expected PEM")
    return found


async def _read(kind: str, name: str, namespace: str, field: str, session: Session) -> Mapping[str, Any]:
    resource = kube.SECRETS if kind == "Secret" else kube.CONFIG_MAPS
    try:
        return (await session.get(resource, name, namespace)).get("data") or {}
    except kube.NotFound as error:
        raise SecretError(f"{kind} {name}, which {field} names, does not exist") from error
    except kube.Forbidden as error:
        raise SecretError(
            f"the operator may not read {kind} {name}; grant it `get` by a Role with resourceNames: [{name}]"
        ) from error
