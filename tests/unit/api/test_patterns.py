"""Every regular expression that the CRDs publish: what it takes and what it does not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from mlgitops import api

_COMPARISON = r"(\^|~|[<>]=?|!?=)? ?v?([0-9]{1,9}|[xX*])(\.([0-9]{1,9}|[xX*])){0,2}(-[0-9A-Za-z.-]{1,64})?"
SEMVER = rf"^{_COMPARISON}((,| | \|\| |, ){_COMPARISON})*$"
# pattern → (texts that match, texts that do not)
TABLE: dict[str, tuple[list[str], list[str]]] = {
    "^[a-z]([-a-z0-9]*[a-z0-9])?$": (
        ["a", "iris", "iris-2", "a1"],
        ["", "A", "1a", "a-", "-a", "a.b", "a_b", "a\n", "é"],
    ),
    "^[1-9][0-9]{0,8}$": (["1", "42", "999999999"], ["", "0", "01", "-1", "1.0", "1000000000", "1\n", "v1"]),
    "^sha256:[0-9a-f]{64}$": (
        ["sha256:" + "0a" * 32],
        ["sha256:" + "0A" * 32, "sha256:" + "0" * 63, "0" * 64, "sha256:"],
    ),
    "^(s3|gs|az|file)://[!-~]+$": (
        ["s3://models/iris/sha256-9f", "file:///tmp/x", "gs://b/k"],
        ["s3:/models", "http://x/y", "s3://", "s3://a b", "s3://a\n", " s3://a"],
    ),
    "^(s3|gs|az|file)://[!-~]*/$": (
        ["s3://models/", "file:///tmp/", "s3://a/b/"],
        ["s3://models", "models/", "https://x/", "s3://a b/", "s3://a/\n"],
    ),
    r"^-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?$": (
        ["0.973", "-1", "1e-05", "12E+3", "0"],
        ["", ".5", "1.", "nan", "inf", "+1", "1e", "0x1", "1,5", "1e1000", "1\n"],
    ),
    r"^[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?$": (["0.02", "1e-3"], ["-0.02", "", "nan", "."]),
    r"^([0-9]{1,9}(\.[0-9]{1,3})?(ms|s|m|h))+$": (
        ["1m", "1h30m", "250ms", "1.5s", "0s"],
        ["", "1", "m", "1d", "-1s", "1 m", "1s\n", "Indefinite"],
    ),
    r"^(([0-9]{1,9}(\.[0-9]{1,3})?(ms|s|m|h))+|Indefinite)$": (
        ["2m", "Indefinite"],
        ["indefinite", "Indefinite2m", ""],
    ),
    r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$": (
        ["sklearn.tree._tree.Tree", "list"],
        ["", ".a", "a.", "a..b", "1a", "a b", "os.system()"],
    ),
    "^[A-Za-z0-9][A-Za-z0-9._+-]*(@[A-Za-z0-9][A-Za-z0-9.-]*)?$": (
        ["alice", "alice+ci@example.com", "Bob_1"],
        ["", "*", "a b", "-oX", "a,b", "@x", "a@", "a@b@c", "a\n"],
    ),
    (
        r"^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-ssh-ed25519@openssh\.com|sk-ecdsa-sha2-nistp256@openssh\.com)"
        r" [A-Za-z0-9+/]{40,}={0,2}$"
    ): (
        ["ssh-ed25519 " + "A" * 68, "ssh-rsa " + "A" * 370 + "==", "sk-ssh-ed25519@openssh.com " + "A" * 90],
        ["ssh-ed25519", "ssh-dss " + "A" * 68, "ssh-ed25519 " + "A" * 68 + " me", "ssh-ed25519 " + "A" * 68 + "\n"],
    ),
    SEMVER: (
        ["1.x", "^1.4", "~1.2.3", ">=1.4.0 <2.0.0", ">=1.0.0-0, <2", "*", "v1.2.3", "1 || 3.x", "!=1.3.0", ">= 1.2"],
        ["", "main", "1.2.3.4", ">=", "1.2 -", "=>1", "1;2", "1.2.3\n", "^^1", "1.0 - 2.0", "1.0+build"],
    ),
    "^[-._a-zA-Z0-9]+$": (["ca.crt", "tls-ca.pem"], ["", "a/b", "a b", "ca.crt\n"]),
    r"^[-A-Za-z0-9_.*?]+(/[-A-Za-z0-9_.*?]+)*$": (
        ["registry/drafts", "**/*.tmpl.yaml", "drafts", "registry/models/?ris/*"],
        ["", "/registry", "registry/", "a//b", "!a", "a b", "[a]", "a\n"],
    ),
    "^[A-Za-z0-9][-A-Za-z0-9_. /:()]*$": (["load test", "ci/e2e (prod)"], ["", " a", "-a", "a;b", "a\n"]),
    "^([01][0-9]|2[0-3]):[0-5][0-9]$": (["00:00", "09:30", "23:59"], ["", "24:00", "9:30", "12:60", "12:00\n"]),
    "^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$": (["00:00", "23:59", "24:00"], ["", "24:01", "25:00", "12.00"]),
    "^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$": (
        ["UTC", "Europe/Zurich", "America/Argentina/Buenos_Aires", "Etc/GMT+1"],
        ["", "/etc", "../x", "a/", "a b", "a/b/c/d"],
    ),
    "^[A-Za-z0-9][-A-Za-z0-9_.]*$": (["01KA", "run-1_a.b"], ["", "-a", "a/b", "../x", "a b"]),
    "^[0-9a-f]{40}([0-9a-f]{24})?$": (["a" * 40, "0" * 64], ["a" * 39, "a" * 41, "A" * 40, "main"]),
    r"^[0-9]+\.[0-9]+(\.[0-9]+)?[a-z0-9.+]*$": (["3.11", "3.11.7", "3.14.0rc1"], ["3", "", "python3.11", "3.11;x"]),
    "^@?[A-Za-z0-9][-A-Za-z0-9_.+/@]*$": (
        ["team-flowers", "@org/team", "alice@example.com"],
        ["", "@", "a b", "#x", "a\n* @evil"],
    ),
    r"^((https?|ssh|file)://([A-Za-z0-9_.-]+@)?|[A-Za-z0-9_.-]+@[A-Za-z0-9.-]+:)[!-?A-~]+$": (
        ["https://git.example.com/a.git", "ssh://git@example.com/a", "git@example.com:a/b.git", "file:///srv/a.git"],
        [
            "https://user:secret@example.com/a",
            "ext::sh -c x",
            "-upload-pack=x",
            "git://x/y",
            "/srv/a",
            "https://a b",
            "",
        ],
    ),
    "^[A-Za-z0-9][-A-Za-z0-9_./]*$": (["main", "release/1.x"], ["", "-x", "/x", "a b", "a:b", "a~1"]),
    "^[A-Za-z0-9][-A-Za-z0-9_./+]*$": (["v1.0+build"], ["", "-v1", "v 1"]),
    r"^[A-Za-z0-9_][-A-Za-z0-9_.]*(/[A-Za-z0-9_][-A-Za-z0-9_.]*)*$": (
        ["registry", "registry/models"],
        ["", "/registry", "registry/", "../x", "a/../b", "./a", "a//b"],
    ),
    "^((===|==|!=|~=|<=|>=|<|>) ?[A-Za-z0-9.*+!-]+(, ?)?)+$": (
        [">=1.7,<1.10", "==1.9.*", ">= 1.7, < 2", "~=1.9"],
        ["", "1.9", "newest", ">=", ">=1.7;x"],
    ),
    "^[a-z0-9][-A-Za-z0-9_./:@]*$": (
        ["mlgitops.dev/python:1", "a@sha256:0", "localhost:5000/x"],
        ["", "-x", "a b", "a\n", "Image", "$(x)"],
    ),
    "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$": (
        ["team", "example.com/Team_1", "a" * 63],
        ["", "-a", "a-", "a/b/c", "Example.com/a", "/a", "a/", "a" * 64, "a b", "a\n"],
    ),
    "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$": (["", "a", "A-b_c.1"], ["-a", "a-", "a b", "a\n"]),
    "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$": (["a", "0a", "a-b"], ["", "-a", "a-", "A", "a.b", "a\n"]),
    r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$": (
        ["a", "a.b-c", "0"],
        ["", ".a", "a.", "a..b", "A", "a_b", "a\n"],
    ),
    "^[A-Za-z_][-A-Za-z0-9_.:/]*$": (["http_requests", "s0-kafka/a.b:c"], ["", "1a", "-a", "a b", "a\n"]),
    r"^(0(\.[0-9]+)?|1(\.0+)?)$": (["0", "0.99", "1", "1.0"], ["", ".5", "1.1", "2", "-0", "0.", "1e-2", "0\n"]),
    "^[1-9][0-9]{0,5}(ms|s|m|h)$": (["30s", "1m", "500ms"], ["", "0s", "30", "1.5s", "1m30s", "30s\n"]),
    "^([0-9]{1,5}(h|m|s|ms)){1,4}$": (["10s", "1m30s", "0s", "250ms"], ["", "10", "0.5s", "-1s", "1d", "123456s"]),
    (
        r"^((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(\.(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])){3}/"
        r"(3[0-2]|[12]?[0-9])|[0-9a-f]{0,4}(:[0-9a-f]{0,4}){2,7}/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))$"
    ): (
        ["10.0.0.0/8", "255.255.255.255/32", "0.0.0.0/0", "fd00::/8", "::/0", "2001:db8::1/128"],
        ["", "10.0.0.0", "10.0.0.256/8", "10.0.0/8", "010.0.0.0/8", "10.0.0.0/33", "fd00::/129", "fd00/8", "::/0\n"],
    ),
    "^[A-Za-z]([-A-Za-z0-9]*[A-Za-z0-9])?$": (["RateLimit", "a"], ["", "1a", "a-", "a.b", "a\n"]),
    "^[A-Za-z_:][A-Za-z0-9_:]*$": (["nv_inference_count", ":a", "_a1"], ["", "1a", "a-b", "a.b", "a\n"]),
    "^[A-Za-z0-9][-A-Za-z0-9_]*$": (["x-forwarded-for", "X_a"], ["", "-a", "a:", "a b", "a\n"]),
    "^https://[!-~]+$": (["https://id.example.com/keys"], ["", "http://a", "https://", "https://a b", "https://a\n"]),
    "^[-A-Za-z0-9_.]+$": (["token", "a.b_C-1"], ["", "a/b", "a b", "a\n"]),
    "^(/[A-Za-z0-9_.-]+)+$": (["/dev/shm", "/a.b/c-d"], ["", "/", "a", "/a/", "//a", "/a b", "/a:b", "/a\n"]),
    "^[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*$": (
        ["a", "en/words.txt"],
        ["", "/a", "a/", "../a", "a/../b", ".a", "a\n"],
    ),
    "^[A-Za-z_][A-Za-z0-9_]*$": (["OMP_NUM_THREADS", "_a"], ["", "1A", "A-B", "A=B"]),
    r"^[+]?([0-9]+|[0-9]+\.[0-9]*|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][-+]?[0-9]{1,3})?$": (
        ["250m", "512Mi", "1", "0.5", "1e3", ".5"],
        ["", "-1", "512MB", "1 Gi", "Mi", "1Ki\n"],
    ),
    r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$": (
        ["iris.example.com", "*.example.com", "localhost"],
        ["", "*", "a..b", "-a.b", "A.b", "a_b", "a.*.b"],
    ),
    "^/([A-Za-z0-9_.~-]+(/[A-Za-z0-9_.~-]+)*)?$": (["/", "/iris", "/a/b"], ["", "iris", "/a/", "//", "/a b", "/a?x"]),
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[-+][0-9]{2}:[0-9]{2})$": (
        ["2026-12-01T00:00:00Z", "2026-12-01T00:00:00.5+02:00"],
        ["2026-12-01", "2026-12-01t00:00:00z", "2026-12-01 00:00:00Z", "2026-12-01T00:00:00", "tomorrow"],
    ),
    "^ed25519:[A-Za-z0-9+/]{43}=$": (
        ["ed25519:" + "A" * 43 + "="],
        ["A" * 43 + "=", "ed25519:" + "A" * 44, "ed25519:"],
    ),
    "^[A-Za-z]([-A-Za-z0-9_.]*[A-Za-z0-9])?$": (["Ready", "a.b-c"], ["", "1", "a-", "a b"]),
    "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$": (["RolledBack", "A_1"], ["", "a b", "1a", "a:"]),
}


def published(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if isinstance(value.get("pattern"), str):
            yield value["pattern"]
        for child in value.values():
            yield from published(child)
    elif isinstance(value, (list, tuple)):
        for child in value:
            yield from published(child)


def test_every_published_pattern_has_a_row_and_every_row_a_pattern() -> None:
    assert set(published(api.crds())) == set(TABLE)


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        (pattern, text, matches)
        for pattern, (good, bad) in TABLE.items()
        for matches, texts in ((True, good), (False, bad))
        for text in texts
    ],
)
def test_a_pattern_takes_what_its_row_says(pattern: str, text: str, matches: bool) -> None:
    # "$" of Go, which the API server uses, is the end of the text and nothing else.
    assert (re.search(pattern.removesuffix("$") + r"\Z", text) is not None) is matches


def test_no_pattern_repeats_more_often_than_the_api_server_s_engine_takes() -> None:
    counts = [int(count) for pattern in TABLE for count in re.findall(r"\{(?:\d+,)?(\d+)\}", pattern)]
    assert max(counts) <= 1000, "RE2 refuses repeat counts above 1000; bound the length by maxLength"
