"""A cluster's keys, tokens and kubeconfig: made once, readable by their owner only."""

from __future__ import annotations

import base64
import json
import secrets

from mlgitops.errors import require
from mlgitops.files import write_atomic
from mlgitops.local.layout import Endpoints, Layout

_USER = "admin"


def prepare(layout: Layout) -> None:
    """Make the key of service accounts and the administrator's token, unless they are there."""
    if not layout.account_key.exists():
        write_atomic(layout.account_key, _new_private_key(), mode=0o600)
    if not layout.tokens.exists():
        line = f"{secrets.token_hex(32)},{_USER},{_USER},system:masters\n"
        write_atomic(layout.tokens, line.encode(), mode=0o600)


def token(layout: Layout) -> str:
    """Return the administrator's token."""
    return layout.tokens.read_text().split(",")[0]


def write_kubeconfig(layout: Layout, ends: Endpoints) -> None:
    """Write the administrator's kubeconfig; the API server must have made its certificate."""
    authority = base64.b64encode((layout.certificates / "apiserver.crt").read_bytes()).decode()
    name = f"mlgitops-{layout.name}"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [
            {"name": name, "cluster": {"server": ends.api_url, "certificate-authority-data": authority}},
        ],
        "users": [{"name": name, "user": {"token": token(layout)}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": "default"}}],
    }
    # JSON is YAML, and needs no library to be written.
    write_atomic(layout.kubeconfig, json.dumps(document, indent=2).encode(), mode=0o600)


def _new_private_key() -> bytes:
    require("cryptography", "local")
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    # An elliptic curve, because an RSA key takes a second to make, in the one form of which
    # the API server can also take the public half.
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
