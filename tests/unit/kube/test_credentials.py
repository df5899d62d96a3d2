from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from mlgitops import kube
from mlgitops.errors import InputError, NotFoundError


def kubeconfig(folder: Path, **user: Any) -> Path:
    path = folder / "config"
    path.write_text(
        json.dumps(
            {
                "current-context": "here",
                "contexts": [
                    {"name": "here", "context": {"cluster": "one", "user": "me", "namespace": "shop"}},
                    {"name": "there", "context": {"cluster": "two", "user": "me"}},
                    {"name": "broken", "context": {"cluster": "gone", "user": "me"}},
                ],
                "clusters": [
                    {"name": "one", "cluster": {"server": "https://127.0.0.1:1/", "certificate-authority": "ca.pem"}},
                    {"name": "two", "cluster": {"server": "https://127.0.0.1:2", "insecure-skip-tls-verify": True}},
                ],
                "users": [{"name": "me", "user": user}],
            }
        )
    )
    (folder / "ca.pem").write_bytes(b"the authority")
    return path


def test_a_kubeconfigs_current_context_is_used(tmp_path: Path) -> None:
    found = kube.login(kubeconfig(tmp_path, token="secret"))
    assert (found.server, found.namespace, found.read_token()) == ("https://127.0.0.1:1", "shop", "secret")


def test_files_beside_a_kubeconfig_are_found_from_any_folder(tmp_path: Path) -> None:
    assert kube.login(kubeconfig(tmp_path)).ca == b"the authority"


def test_another_context_can_be_named(tmp_path: Path) -> None:
    found = kube.login(kubeconfig(tmp_path), "there")
    assert (found.server, found.namespace, found.insecure) == ("https://127.0.0.1:2", "default", True)


def test_an_unknown_context_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"no context 'nowhere'; known: broken, here, there"):
        kube.login(kubeconfig(tmp_path), "nowhere")


def test_a_context_of_a_missing_cluster_says_which(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"no cluster 'gone'; known: one, two"):
        kube.login(kubeconfig(tmp_path), "broken")


def test_a_token_is_read_again_on_every_call(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, token="old")
    found = kube.login(path)
    path.write_text(path.read_text().replace('"old"', '"new"'))
    assert found.read_token() == "new"


def test_a_token_file_is_read_again_on_every_call(tmp_path: Path) -> None:
    found = kube.login(kubeconfig(tmp_path, tokenFile="token"))
    for token in ("first", "second"):
        (tmp_path / "token").write_text(f"{token}\n")
        assert found.read_token() == token


def test_client_certificates_come_inline(tmp_path: Path) -> None:
    inline = {f"client-{part}-data": base64.b64encode(part.encode()).decode() for part in ("certificate", "key")}
    found = kube.login(kubeconfig(tmp_path, **inline))
    assert (found.certificate, found.private_key) == (b"certificate", b"key")


def test_a_login_plugin_is_asked_for_the_token(tmp_path: Path) -> None:
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": "from-plugin"},
    }
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "echo",
        "args": [json.dumps(credential)],
        "interactiveMode": "Never",
    }
    found = kube.login(kubeconfig(tmp_path, exec=plugin), "there")
    assert found.read_token() == "from-plugin"


def test_the_first_of_several_kubeconfigs_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    for folder, token in ((first, "one"), (second, "two")):
        folder.mkdir()
        kubeconfig(folder, token=token)
    monkeypatch.setenv("KUBECONFIG", f"{first / 'config'}:{second / 'config'}:{tmp_path / 'missing'}")
    assert kube.login().read_token() == "one"


@pytest.mark.parametrize("text", ["[1, 2", "just text", "contexts: [1]", "{users: [{}]}"])
def test_what_is_no_kubeconfig_is_named_as_such(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(InputError, match="is not a kubeconfig"):
        kube.login(path)


def test_without_any_kubeconfig_the_message_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="mlgitops local up, or set KUBECONFIG"):
        kube.login(tmp_path / "none")


def test_a_pods_account_is_used_where_the_node_says_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in (("token", "pod-token\n"), ("ca.crt", "the authority"), ("namespace", "system\n")):
        (tmp_path / name).write_text(text)
    monkeypatch.setenv("MLGITOPS_SERVICE_ACCOUNT", str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", "/does/not/matter")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "6443")
    found = kube.login()
    assert (found.server, found.namespace, found.ca) == ("https://[fd00::1]:6443", "system", b"the authority")
    (tmp_path / "token").write_text("renewed")
    assert found.read_token() == "renewed"


def test_an_account_without_an_address_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLGITOPS_SERVICE_ACCOUNT", str(tmp_path))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(NotFoundError, match="KUBERNETES_SERVICE_HOST"):
        kube.login()


def test_importing_the_client_does_not_import_the_kubernetes_package() -> None:
    import subprocess
    import sys

    code = "import sys, mlgitops.kube; sys.exit('kubernetes' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
