"""Envelopes: a statement and its signature in one JSON file.

https://github.com/secure-systems-lab/dsse/blob/master/protocol.md
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

from mlgitops.digest import canonical_json
from mlgitops.errors import CheckFailedError, InputError
from mlgitops.evidence.keys import Key, key_id, verified
from mlgitops.evidence.statement import Statement

PAYLOAD_TYPE = "application/vnd.in-toto+json"
LARGEST = 1 << 20  # bytes of an envelope; ours are a few thousand


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """Return what is signed: the payload with its type and both lengths (DSSE's PAE)."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def sign(statement: Statement, key: Key) -> bytes:
    """Return a statement in an envelope signed by one key.

    Ed25519 is deterministic, so the same statement and key make the same bytes.
    """
    payload = statement.to_bytes()
    signature = key.sign(pre_authentication_encoding(PAYLOAD_TYPE, payload))
    return canonical_json(
        {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"keyid": key_id(key.public), "sig": base64.b64encode(signature).decode()}],
        }
    )


def open_envelope(data: bytes, public_keys: Mapping[str, str]) -> tuple[Statement, str]:
    """Verify an envelope and read its statement; nothing is read before a signature holds.

    Args:
        data: the envelope.
        public_keys: signer → public key, as a policy names them.

    Returns:
        The statement, and the signer whose key made the signature.

    Raises:
        InputError: it is not an envelope of a statement, or a public key is none.
        CheckFailedError: no known signer signed it.
    """
    if len(data) > LARGEST:
        raise InputError(f"an envelope of {len(data)} bytes is larger than {LARGEST}")
    try:
        envelope = json.loads(data)
        kind = str(envelope["payloadType"])
        payload = base64.b64decode(envelope["payload"], validate=True)
        signatures = [base64.b64decode(found["sig"], validate=True) for found in envelope["signatures"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"not a DSSE envelope: {error}") from error
    message = pre_authentication_encoding(kind, payload)
    for signer, public in public_keys.items():
        if any(verified(public, signature, message) for signature in signatures):
            if kind != PAYLOAD_TYPE:
                raise InputError(f"the envelope holds {kind!r}, expected {PAYLOAD_TYPE}")
            return Statement.from_bytes(payload), signer
    known = ", ".join(public_keys) or "none"
    raise CheckFailedError(f"the statement is signed by no signer that the policy names; it names: {known}")
