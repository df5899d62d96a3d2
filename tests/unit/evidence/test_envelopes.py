"""Keys, statements and envelopes."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from mlgitops.errors import CheckFailedError, InputError, NotFoundError
from mlgitops.evidence import Key, Statement, open_envelope, sign
from mlgitops.evidence.dsse import pre_authentication_encoding

DIGEST = "sha256:" + "ab" * 32
STATEMENT = Statement("https://mlgitops.dev/evaluated/v1", DIGEST, {"rows": 30}, ("none", "sha256:cd", "accuracy"))


def test_a_signed_statement_opens_and_names_its_signer() -> None:
    key, other = Key.generate(), Key.generate()
    assert open_envelope(sign(STATEMENT, key), {"old": other.public, "ci": key.public}) == (STATEMENT, "ci")


def test_the_signed_bytes_are_those_of_the_specification() -> None:
    # The example of the DSSE protocol's own test vectors.
    encoded = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world")
    assert encoded == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def test_a_statement_is_an_in_toto_statement_about_the_digest() -> None:
    envelope = json.loads(sign(STATEMENT, Key.generate()))
    payload = json.loads(base64.b64decode(envelope["payload"]))
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    assert payload["_type"] == "https://in-toto.io/Statement/v1"
    assert payload["subject"] == [{"digest": {"sha256": "ab" * 32}}]
    assert payload["predicate"]["rows"] == 30


def test_a_statement_by_an_unknown_key_does_not_open() -> None:
    with pytest.raises(CheckFailedError, match=r"no signer that the policy names; it names: ci"):
        open_envelope(sign(STATEMENT, Key.generate()), {"ci": Key.generate().public})


@pytest.mark.parametrize("change", ["payload", "payloadType", "sig"])
def test_a_changed_envelope_does_not_open(change: str) -> None:
    key = Key.generate()
    envelope = json.loads(sign(STATEMENT, key))
    if change == "payload":
        envelope["payload"] = base64.b64encode(
            base64.b64decode(envelope["payload"]).replace(b'"rows":30', b'"rows":31')
        ).decode()
    elif change == "payloadType":
        envelope["payloadType"] = "application/json"
    else:
        envelope["signatures"][0]["sig"] = base64.b64encode(bytes(64)).decode()
    with pytest.raises(CheckFailedError, match="no signer"):
        open_envelope(json.dumps(envelope).encode(), {"ci": key.public})


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b'{"payload":"!","payloadType":"x","signatures":[]}', b"[" * 100_000, b" " * (2 << 20)]
)
def test_bytes_that_are_no_envelope_are_refused_with_a_reason(data: bytes) -> None:
    with pytest.raises(InputError, match="envelope"):
        open_envelope(data, {"ci": Key.generate().public})


def test_the_same_fact_has_the_same_name_whatever_was_measured() -> None:
    again = Statement(STATEMENT.predicate_type, DIGEST, {"rows": 31}, STATEMENT.identity)
    other = Statement(STATEMENT.predicate_type, DIGEST, {"rows": 30}, ("sha256:ef", "sha256:cd", "accuracy"))
    assert again.name == STATEMENT.name != other.name
    assert len(STATEMENT.name) == 16


def test_a_key_survives_its_file_and_others_cannot_read_it(tmp_path: Path) -> None:
    key = Key.generate()
    key.save(tmp_path / "keys" / "a.key")
    assert (tmp_path / "keys" / "a.key").stat().st_mode & 0o777 == 0o600
    assert Key.load(tmp_path / "keys" / "a.key").public == key.public


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    Key.generate().save(tmp_path / "a.key")
    with pytest.raises(InputError, match="never overwritten"):
        Key.generate().save(tmp_path / "a.key")


def test_a_key_that_others_may_read_is_refused_with_the_cure(tmp_path: Path) -> None:
    Key.generate().save(tmp_path / "a.key")
    (tmp_path / "a.key").chmod(0o644)
    with pytest.raises(InputError, match="chmod 600"):
        Key.load(tmp_path / "a.key")


def test_a_missing_key_names_the_variable_that_sets_it(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="MLGITOPS_SIGNING_KEY"):
        Key.load(tmp_path / "a.key")


@pytest.mark.parametrize("public", ["", "ed25519:", "ed25519:AAAA", "rsa:AAAA", "ed25519:not base64!"])
def test_text_that_is_no_public_key_is_refused(public: str) -> None:
    with pytest.raises(InputError, match="is not a public key"):
        open_envelope(sign(STATEMENT, Key.generate()), {"ci": public})
