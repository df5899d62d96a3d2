"""Names from outside: refs, addresses and paths."""

from __future__ import annotations

import pytest

from mlgitops.errors import InputError
from mlgitops.git import check_ref, check_url, public_url
from mlgitops.git.names import check_path, without_credentials


@pytest.mark.parametrize("name", ["refs/heads/main", "refs/pull/12/head", "refs/heads/mlgitops/propose/iris.3"])
def test_a_plain_full_ref_name_passes(name: str) -> None:
    assert check_ref(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "main",
        "--upload-pack=evil",
        "refs/heads/-x",
        "refs/heads/a..b",
        "refs/heads/a b",
        "refs/heads/a\nb",
        "refs/heads/.hidden",
        "refs/heads/a.lock",
        "refs/heads/a.lock/b",
        "refs/heads/a.",
        "refs/heads//a",
        "refs/heads/a~1",
        "refs/heads/a:b",
        "refs/heads/a^",
        "refs/heads/*",
        "refs/heads/",
        "refs/heads/main\n",
    ],
)
def test_a_ref_name_that_git_could_read_otherwise_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="is not a ref name"):
        check_ref(name)


@pytest.mark.parametrize(
    "url", ["file:///srv/a.git", "https://example.com/a.git", "git@example.com:team/a.git", "/srv/a.git", "../a.git"]
)
def test_an_address_of_a_known_kind_passes(url: str) -> None:
    assert check_url(url) == url


@pytest.mark.parametrize(
    "url",
    ["ext::sh -c id", "ext://x", "fd::17", "-oProxyCommand=id", "--upload-pack=id", "", "https://a\n/b", "ftp://a/b"],
)
def test_an_address_that_starts_a_program_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="is not an address"):
        check_url(url)


@pytest.mark.parametrize(
    "path", ["", "/etc/passwd", "a/../b", "./a", "a//b", ".git/config", "a/.GIT/hooks/x", "a\\b", "a\nb"]
)
def test_a_path_that_leaves_the_tree_is_refused(path: str) -> None:
    with pytest.raises(InputError, match="is not a path inside"):
        check_path(path)


def test_a_printed_address_has_neither_user_nor_password_nor_query() -> None:
    assert public_url("https://bob:s3cret@example.com/a.git?token=x") == "https://example.com/a.git"
    assert public_url("git@example.com:team/a.git") == "git@example.com:team/a.git"


def test_a_message_of_git_loses_the_credentials_in_its_addresses() -> None:
    assert (
        without_credentials("fatal: unable to access 'https://bob:s3c@ret@example.com/a.git/'")
        == "fatal: unable to access 'https://example.com/a.git/'"
    )
