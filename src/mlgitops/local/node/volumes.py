"""A pod's volumes as folders, and their files kept as the API server has them."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from pathlib import Path

from mlgitops.errors import InputError, NotFoundError
from mlgitops.files import write_atomic
from mlgitops.kube import CONFIG_MAPS, SECRETS, SERVICE_ACCOUNTS, NotFound, Session
from mlgitops.local.node.variables import Raw, field_of, resource_of

_TOKEN_SECONDS = 3600


class Volumes:
    """The volumes of one pod below one folder."""

    def __init__(self, session: Session, pod: Raw, folder: Path) -> None:
        self._session = session
        self.pod = pod  # as the API server had it last
        self._folder = folder
        self._tokens: dict[str, tuple[float, bytes]] = {}  # by path: when to renew, and the token

    def place(self, name: str) -> Path:
        """Return the folder of a volume."""
        return self._folder / name

    async def fill(self, *, again: bool = False) -> None:
        """Make every volume; ``again`` only writes what may have changed since: ConfigMaps, Secrets, tokens.

        Raises:
            NotFound: a ConfigMap or Secret that is not optional does not exist.
            InputError: the process node has no such kind of volume.
        """
        for volume in self.pod["spec"].get("volumes", ()):
            name = volume["name"]
            self.place(name).mkdir(parents=True, exist_ok=True)
            if "emptyDir" in volume:
                if not again:
                    self.place(name).chmod(0o777)
                continue
            _write(self.place(name), await self._files(volume))

    async def _files(self, volume: Raw) -> dict[str, tuple[bytes, int]]:
        if "configMap" in volume:
            source = volume["configMap"]
            return _moded(await self._config_map(source), source)
        if "secret" in volume:
            source = volume["secret"]
            return _moded(await self._secret({**source, "name": source["secretName"]}), source)
        if "downwardAPI" in volume:
            return _moded(self._downward(volume["downwardAPI"]), volume["downwardAPI"])
        if "projected" in volume:
            source = volume["projected"]
            parts = [part for sources in source.get("sources", ()) for part in sources.values()]
            items = [item for part in parts for item in part.get("items") or ()]
            return _moded(await self._projected(source), {**source, "items": items})
        kinds = ", ".join(key for key in volume if key != "name")
        raise InputError(
            f"volume {volume['name']}: the process node has no {kinds}; "
            "it has emptyDir, configMap, secret, projected and downwardAPI"
        )

    async def _projected(self, source: Raw) -> dict[str, bytes]:
        files: dict[str, bytes] = {}
        for part in source.get("sources", ()):
            if "configMap" in part:
                files |= await self._config_map(part["configMap"])
            elif "secret" in part:
                files |= await self._secret(part["secret"])
            elif "downwardAPI" in part:
                files |= self._downward(part["downwardAPI"])
            elif "serviceAccountToken" in part:
                files[part["serviceAccountToken"]["path"]] = await self._token(part["serviceAccountToken"])
            else:
                raise InputError(f"the process node projects no {', '.join(part)}")
        return files

    async def _config_map(self, source: Raw) -> dict[str, bytes]:
        raw = await self._get("ConfigMap", source)
        data = {name: text.encode() for name, text in (raw.get("data") or {}).items()}
        data |= {name: base64.b64decode(text) for name, text in (raw.get("binaryData") or {}).items()}
        return _items(f"ConfigMap {source['name']}", data, source)

    async def _secret(self, source: Raw) -> dict[str, bytes]:
        raw = await self._get("Secret", source)
        data = {name: base64.b64decode(text) for name, text in (raw.get("data") or {}).items()}
        return _items(f"Secret {source['name']}", data, source)

    async def _get(self, kind: str, source: Raw) -> Raw:
        resource = CONFIG_MAPS if kind == "ConfigMap" else SECRETS
        try:
            return await self._session.get(resource, source["name"], self.pod["metadata"]["namespace"])
        except NotFound:
            if source.get("optional"):
                return {}
            raise

    def _downward(self, source: Raw) -> dict[str, bytes]:
        files = {}
        for item in source.get("items", ()):
            if "fieldRef" in item:
                text = field_of(self.pod, item["fieldRef"]["fieldPath"])
            else:
                text = resource_of(self.pod, self.pod["spec"]["containers"][0], item["resourceFieldRef"])
            files[item["path"]] = text.encode()
        return files

    async def _token(self, source: Raw) -> bytes:
        metadata, spec = self.pod["metadata"], self.pod["spec"]
        renew_at, token = self._tokens.get(source["path"], (0.0, b""))
        if time.monotonic() < renew_at:
            return token
        seconds = source.get("expirationSeconds") or _TOKEN_SECONDS
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {
                "audiences": [source["audience"]] if source.get("audience") else [],
                "expirationSeconds": seconds,
                "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]},
            },
        }
        account = spec.get("serviceAccountName") or "default"
        answer = await self._session.create_subresource(
            SERVICE_ACCOUNTS, account, metadata["namespace"], "token", request
        )
        token = str(answer["status"]["token"]).encode()
        self._tokens[source["path"]] = (time.monotonic() + 0.8 * seconds, token)
        return token


def _write(folder: Path, files: Mapping[str, tuple[bytes, int]]) -> None:
    for path, (data, mode) in files.items():
        target = folder / path
        if not target.is_file() or target.read_bytes() != data:
            write_atomic(target, data, mode=mode)
    for target in [path for path in folder.rglob("*") if path.is_file()]:
        if target.relative_to(folder).as_posix() not in files:
            target.unlink()  # a key that its ConfigMap or Secret no longer has


def _items(what: str, data: Mapping[str, bytes], source: Raw) -> dict[str, bytes]:
    chosen = source.get("items")
    if not chosen:
        return dict(data)
    files = {}
    for item in chosen:
        if item["key"] in data:
            files[item["path"]] = data[item["key"]]
        elif not source.get("optional"):
            raise NotFoundError(f"{what} has no key {item['key']!r}; it has: {', '.join(data) or 'none'}")
    return files


def _moded(files: Mapping[str, bytes], source: Raw) -> dict[str, tuple[bytes, int]]:
    modes: dict[str, int] = {item["path"]: item["mode"] for item in source.get("items") or () if "mode" in item}
    default: int = source.get("defaultMode", 0o644)
    return {path: (data, modes.get(path, default)) for path, data in files.items()}
