"""A fact about a digest, as an in-toto Statement v1.

https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlgitops import digest
from mlgitops.errors import InputError

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
IDENTITY = "mlgitops.dev/identity"  # the predicate's field for what makes two statements the same fact


@dataclass(frozen=True, slots=True)
class Statement:
    """What kind of fact, about which digest, in detail, and what makes it this fact and no other.

    Two statements of one predicate type, subject and identity are the same fact and have the
    same name, however often it was found out: an evaluation of the same champion on the same
    data set, the merge of the same commit.
    """

    predicate_type: str
    subject_digest: str
    predicate: Mapping[str, Any]
    identity: tuple[str, ...]

    @property
    def name(self) -> str:
        """The first 16 hex digits of the sha256 over what the fact is."""
        fact = [self.predicate_type, self.subject_digest, *self.identity]
        return digest.hex_of(digest.of_json(fact))[:16]

    def to_bytes(self) -> bytes:
        """Return the in-toto Statement as canonical JSON.

        Raises:
            InputError: the subject is not a digest.
        """
        return digest.canonical_json(
            {
                "_type": STATEMENT_TYPE,
                "subject": [{"digest": {"sha256": digest.hex_of(self.subject_digest)}}],
                "predicateType": self.predicate_type,
                "predicate": {**self.predicate, IDENTITY: list(self.identity)},
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Statement:
        """Read an in-toto Statement about one digest.

        Raises:
            InputError: it is none, or is about several things.
        """
        try:
            raw = json.loads(data)
            if raw["_type"] != STATEMENT_TYPE:
                raise ValueError(f"its type is {raw['_type']!r}, expected {STATEMENT_TYPE}")
            (subject,) = raw["subject"]
            predicate = dict(raw["predicate"])
            identity = tuple(str(part) for part in predicate.pop(IDENTITY, ()))
            found = f"sha256:{subject['digest']['sha256']}"
            digest.hex_of(found)
            return cls(str(raw["predicateType"]), found, predicate, identity)
        except (ValueError, KeyError, TypeError, InputError, RecursionError) as error:
            raise InputError(f"not an in-toto statement: {error}") from error
