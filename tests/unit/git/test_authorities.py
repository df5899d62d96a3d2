"""A forge that only its own certificate vouches for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlgitops.errors import OutsideError
from mlgitops.git import Login, Repository, ls_remote
from servers.git_https import serving


def test_a_forge_is_believed_by_the_certificate_that_a_login_names_and_by_no_other(tmp_path: Path, remote: Any) -> None:
    with serving(Path(remote.repository.path), tmp_path) as (url, certificate):
        with pytest.raises(OutsideError, match=r"cannot read git repository .*certificate"):
            ls_remote(url)
        login = Login(authorities=certificate)
        assert ls_remote(url, login=login) == {"refs/heads/main": remote.first}
        assert ls_remote(url, login=Login("me", "secret", authorities=certificate)) == {"refs/heads/main": remote.first}
        mirror = Repository.init(tmp_path / "mirror", bare=True)
        mirror.login = login
        mirror.fetch(url, "+refs/heads/main:refs/heads/main", depth=1)
        assert mirror.resolve("refs/heads/main") == remote.first
        mirror.close()


def test_what_vouches_for_a_forge_is_not_printed() -> None:
    assert repr(Login(authorities="-----BEGIN CERTIFICATE-----")) == "Login(user='')"
