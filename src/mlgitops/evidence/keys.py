"""Ed25519 keys: one private file, one public line."""

from __future__ import annotations

import base64
import binascii
import hashlib
from pathlib import Path
from typing import Any

from mlgitops.errors import InputError, NotFoundError, require
from mlgitops.files import write_atomic

PREFIX = "ed25519:"


class Key:
    """A private signing key. It is never printed; ``public`` is what policies hold."""

    def __init__(self, private: Any) -> None:
        self._private = private

    @classmethod
    def generate(cls) -> Key:
        """Make a new key from the system's randomness."""
        return cls(_ed25519().Ed25519PrivateKey.generate())

    @classmethod
    def load(cls, path: Path) -> Key:
        """Read a key file (PKCS #8, PEM).

        Raises:
            NotFoundError: there is no such file.
            InputError: it is no Ed25519 key, or others of this machine may read it.
        """
        try:
            mode = path.stat().st_mode
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise NotFoundError(
                f"there is no signing key at {path}; set MLGITOPS_SIGNING_KEY to one that the policy names as a signer"
            ) from error
        if mode & 0o077:
            raise InputError(f"signing key {path} may be read by others; run: chmod 600 {path}")
        try:
            private = _serialization().load_pem_private_key(data, None)
        except (ValueError, TypeError) as error:
            raise InputError(f"{path} is not a private key in PEM form without a password") from error
        if not isinstance(private, _ed25519().Ed25519PrivateKey):
            raise InputError(f"{path} is not an Ed25519 key; `mlgitops init` makes one")
        return cls(private)

    def save(self, path: Path) -> None:
        """Write the key to a file that only its owner may read.

        Raises:
            InputError: the file exists; a key is never overwritten.
        """
        if path.exists():
            raise InputError(f"{path} exists; a signing key is never overwritten")
        formats = _serialization()
        pem = self._private.private_bytes(formats.Encoding.PEM, formats.PrivateFormat.PKCS8, formats.NoEncryption())
        write_atomic(path, pem, mode=0o600)

    @property
    def public(self) -> str:
        """The public key as a policy names it: ``ed25519:`` and the base64 of its 32 bytes."""
        return PREFIX + base64.b64encode(self._private.public_key().public_bytes_raw()).decode()

    def sign(self, message: bytes) -> bytes:
        """Return the 64 bytes of an Ed25519 signature (RFC 8032)."""
        return bytes(self._private.sign(message))


def verified(public: str, signature: bytes, message: bytes) -> bool:
    """Return whether a signature of a message was made by the private half of a public key.

    Raises:
        InputError: the public key is none.
    """
    try:
        if not public.startswith(PREFIX):
            raise ValueError("wrong prefix")
        raw = base64.b64decode(public.removeprefix(PREFIX), validate=True)
        key = _ed25519().Ed25519PublicKey.from_public_bytes(raw)
    except (ValueError, binascii.Error) as error:
        raise InputError(f"{public!r} is not a public key; expected {PREFIX} and the base64 of 32 bytes") from error
    try:
        key.verify(signature, message)
    except require("cryptography.exceptions", "sign").InvalidSignature:
        return False
    return True


def key_id(public: str) -> str:
    """Return a short name of a public key, a hint for readers that decides nothing."""
    return hashlib.sha256(public.encode()).hexdigest()[:16]


def _ed25519() -> Any:
    return require("cryptography.hazmat.primitives.asymmetric.ed25519", "sign")


def _serialization() -> Any:
    return require("cryptography.hazmat.primitives.serialization", "sign")
