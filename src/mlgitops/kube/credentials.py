"""Where the API server is and how to prove who we are.

The order is controller-runtime's: what the caller names, ``MLGITOPS_SERVICE_ACCOUNT``
(a process node's pod), ``$KUBECONFIG``, the pod's service account, ``~/.kube/config``.

Tokens and certificates are read here directly, so that a rotated token is seen and no
key is left in a temporary file. Login plugins (``exec``, ``auth-provider``) are left to
the ``kubernetes`` package.
"""

from __future__ import annotations

import base64
import os
import ssl
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mlgitops.errors import InputError, NotFoundError, require

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True, slots=True)
class Credentials:
    """How to reach and convince one API server.

    ``read_token`` reads the bearer token again on every call and may block (a file, a
    login plugin); the Session decides when. PEM fields hold the text, not a path.
    """

    server: str
    namespace: str = "default"
    ca: bytes | None = None
    insecure: bool = False
    server_name: str | None = None
    certificate: bytes | None = None
    private_key: bytes | None = None
    read_token: Callable[[], str | None] = lambda: None

    def ssl_context(self) -> ssl.SSLContext:
        """Return a TLS client context that trusts this server's authority and shows our certificate."""
        context = ssl.create_default_context(cadata=self.ca.decode() if self.ca else None)
        # Python 3.13 turned this on; API servers' own certificates often lack a key identifier.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.certificate:
            # OpenSSL's Python binding reads certificates of its own from files only.
            with tempfile.NamedTemporaryFile() as file:
                file.write(self.certificate + b"\n" + (self.private_key or b""))
                file.flush()
                context.load_cert_chain(file.name)
        return context


def login(kubeconfig: Path | str | None = None, context: str | None = None) -> Credentials:
    """Find the API server and the credentials for it.

    Args:
        kubeconfig: a kubeconfig file; without it the places in the module's docstring.
        context: a context of the kubeconfig other than its current one.

    Raises:
        NotFoundError: no kubeconfig and no service account, or no such context.
        InputError: the kubeconfig cannot be read.
    """
    account = os.environ.get("MLGITOPS_SERVICE_ACCOUNT")
    listed = os.environ.get("KUBECONFIG")
    if kubeconfig is not None:
        return from_kubeconfig([Path(kubeconfig)], context)
    if account:
        return from_service_account(Path(account))
    if listed:
        return from_kubeconfig([Path(part) for part in listed.split(os.pathsep) if part], context)
    if context is None and "KUBERNETES_SERVICE_HOST" in os.environ and (SERVICE_ACCOUNT / "token").exists():
        return from_service_account(SERVICE_ACCOUNT)
    return from_kubeconfig([Path.home() / ".kube" / "config"], context)


def from_service_account(folder: Path) -> Credentials:
    """Return the credentials that a pod was given.

    Raises:
        NotFoundError: the folder or the address of the API server is missing.
    """
    host = os.environ.get("KUBERNETES_SERVICE_HOST")
    if not host or not (folder / "token").exists():
        raise NotFoundError(
            f"{folder}/token and KUBERNETES_SERVICE_HOST are both needed to log in as a pod; "
            "set KUBECONFIG to log in as somebody else"
        )
    authority = folder / "ca.crt"
    namespace = folder / "namespace"
    return Credentials(
        server=f"https://{f'[{host}]' if ':' in host else host}:{os.environ.get('KUBERNETES_SERVICE_PORT', '443')}",
        namespace=namespace.read_text().strip() if namespace.exists() else "default",
        ca=authority.read_bytes() if authority.exists() else None,
        read_token=lambda: (folder / "token").read_text().strip(),
    )


def from_kubeconfig(paths: Iterable[Path], context: str | None = None) -> Credentials:
    """Return the credentials of a kubeconfig's context; several files are merged, the first wins.

    Raises:
        NotFoundError: no file, context, cluster or user of that name.
        InputError: a file is not a kubeconfig.
    """
    found = [path for path in paths if path.exists()]
    if not found:
        raise NotFoundError(
            f"no kubeconfig at {', '.join(map(str, paths))} and not inside a pod; "
            "run: mlgitops local up, or set KUBECONFIG"
        )
    merged = _Kubeconfig.load(found)
    chosen = merged.named("contexts", context or merged.current)
    cluster = merged.named("clusters", chosen.get("cluster"))
    user = merged.named("users", chosen.get("user")) if chosen.get("user") else {}
    if not cluster.get("server"):
        raise InputError(f"{found[0]}: cluster {chosen.get('cluster')!r} has no server")
    return Credentials(
        server=str(cluster["server"]).rstrip("/"),
        namespace=chosen.get("namespace") or "default",
        ca=_pem(cluster, "certificate-authority"),
        insecure=bool(cluster.get("insecure-skip-tls-verify")),
        server_name=cluster.get("tls-server-name"),
        certificate=_pem(user, "client-certificate"),
        private_key=_pem(user, "client-key"),
        read_token=_token_reader(found, str(chosen.get("user")), context or merged.current, user),
    )


def _token_reader(paths: list[Path], user: str, context: str, entry: Mapping[str, Any]) -> Callable[[], str | None]:
    if "exec" in entry or "auth-provider" in entry:
        return _plugin(paths, context)
    if "tokenFile" in entry:
        file = Path(entry["_folder"], entry["tokenFile"])
        return lambda: file.read_text().strip()
    if "token" in entry:
        return lambda: _Kubeconfig.load(paths).named("users", user).get("token")
    return lambda: None


def _plugin(paths: list[Path], context: str) -> Callable[[], str | None]:
    def read() -> str | None:
        config = require("kubernetes.config", "kube")
        client = require("kubernetes.client", "kube")
        settings = client.Configuration()
        config.load_kube_config(os.pathsep.join(map(str, paths)), context, settings, persist_config=False)
        token: str | None = settings.get_api_key_with_prefix("BearerToken", "authorization")
        return token.removeprefix("Bearer ") if token else None

    return read


def _pem(entry: Mapping[str, Any], field: str) -> bytes | None:
    if entry.get(f"{field}-data"):
        return base64.b64decode(entry[f"{field}-data"])
    if entry.get(field):
        return Path(entry["_folder"], entry[field]).read_bytes()
    return None


@dataclass(frozen=True, slots=True)
class _Kubeconfig:
    """The entries of one or several files by list and name; each knows its file's folder."""

    current: str
    entries: Mapping[tuple[str, str], Mapping[str, Any]]
    source: str

    @classmethod
    def load(cls, paths: list[Path]) -> _Kubeconfig:
        current = ""
        entries: dict[tuple[str, str], Mapping[str, Any]] = {}
        for path in paths:
            try:
                document = yaml.load(path.read_text("utf-8"), yaml.CSafeLoader) or {}
                current = current or document.get("current-context") or ""
                for section, field in (("contexts", "context"), ("clusters", "cluster"), ("users", "user")):
                    for entry in document.get(section) or ():
                        value = {**(entry.get(field) or {}), "_folder": str(path.resolve().parent)}
                        entries.setdefault((section, entry["name"]), value)
            except (yaml.YAMLError, AttributeError, KeyError, TypeError, UnicodeError) as error:
                raise InputError(f"{path} is not a kubeconfig: {error}") from error
        return cls(current, entries, ", ".join(map(str, paths)))

    def named(self, section: str, name: str | None) -> Mapping[str, Any]:
        if (section, name) not in self.entries:
            known = ", ".join(sorted(known for kind, known in self.entries if kind == section)) or "none"
            raise NotFoundError(f"{self.source} has no {section[:-1]} {name!r}; known: {known}")
        return self.entries[section, name or ""]
