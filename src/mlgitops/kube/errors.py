"""What the API server can answer, translated once at this edge.

OutsideError
└── KubeError                status, reason and the object that was asked for
    ├── Unauthorized         401: the credentials do not (or no longer) hold
    ├── Forbidden            403: RBAC, admission or quota said no
    ├── NotFound             404: the object, or its whole API, is not there
    ├── AlreadyExists        409 on create
    ├── Conflict             409: somebody wrote first (also a ConflictError)
    ├── Gone                 410: the resourceVersion is too old; list again
    ├── Invalid              400, 413, 415, 422: the object is wrong; retrying cannot help
    ├── TooManyRequests      429: wait ``retry_after`` seconds
    └── Unavailable          5xx, no connection, time-out: try again later
        └── Silent           a watch said nothing for too long
"""

# ruff: noqa: N818 - the names are the API's own reasons

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import aiohttp

from mlgitops.errors import ConflictError, OutsideError


class KubeError(OutsideError):
    """The API server refused or did not answer; ``what`` names the object that was asked for."""

    def __init__(self, what: str, message: str, *, status: int = 0, reason: str = "") -> None:
        super().__init__(f"{what}: {message}")
        self.what = what
        self.message = message
        self.status = status
        self.reason = reason


class Unauthorized(KubeError):
    """The API server does not accept these credentials; log in again."""


class Forbidden(KubeError):
    """The credentials hold but may not do this; grant the verb that the message names."""


class NotFound(KubeError):
    """No such object, or no such API in this cluster."""


class AlreadyExists(KubeError):
    """An object of this name is there already."""


class Conflict(KubeError, ConflictError):
    """The object changed since it was read, or another manager owns the field."""


class Gone(KubeError):
    """The resourceVersion is older than what the API server keeps; list again."""


class Invalid(KubeError):
    """The API server rejects the object as it is; sending it again cannot help."""


class TooManyRequests(KubeError):
    """The API server is busy; ``retry_after`` says for how many seconds."""

    retry_after: float = 1.0


class Unavailable(KubeError):
    """The API server did not answer, or answered that it failed."""


class Silent(Unavailable):
    """A watch carried neither change nor bookmark for too long; its connection may be dead."""


_BY_STATUS: Mapping[int, type[KubeError]] = {
    400: Invalid,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    413: Invalid,
    415: Invalid,
    422: Invalid,
    429: TooManyRequests,
}


def from_status(what: str, status: Mapping[str, Any], code: int = 0) -> KubeError:
    """Return the error for a ``v1/Status``, as a body or as the object of a watch's ERROR event.

    Args:
        what: the object that was asked for, for the message.
        status: the Status object, possibly empty.
        code: the HTTP status when the object does not say.
    """
    code = int(status.get("code") or code)
    reason = str(status.get("reason") or "")
    message = str(status.get("message") or reason or f"the API server answered {code}")
    kind = _BY_STATUS.get(code, Unavailable if code >= 500 or code == 0 else KubeError)
    if code == 500 and message.startswith("failed to create typed patch object"):
        # Server-side apply calls a field that the schema lacks an internal error.
        kind = Invalid
    if code == 409 and reason == "AlreadyExists":
        kind = AlreadyExists
    error = kind(what, message, status=code, reason=reason)
    if isinstance(error, TooManyRequests):
        error.retry_after = float((status.get("details") or {}).get("retryAfterSeconds") or 1)
    return error


async def from_response(what: str, response: aiohttp.ClientResponse) -> KubeError:
    """Return the error for an answer of 400 or above, its body read."""
    body = await response.read()
    try:
        status = json.loads(body)
    except ValueError:
        status = {"message": body[:200].decode("utf-8", "replace").strip()}
    if not isinstance(status, dict) or status.get("kind", "Status") != "Status":
        status = {}
    error = from_status(what, status, response.status)
    if isinstance(error, TooManyRequests):
        with contextlib.suppress(ValueError):
            error.retry_after = float(response.headers.get("Retry-After", error.retry_after))
    return error


@contextlib.contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn what the connection raises into ``Unavailable``, inside the block."""
    try:
        yield
    except aiohttp.SocketTimeoutError as error:
        raise Silent(what, f"no answer in time: {error}") from error
    except (TimeoutError, aiohttp.ClientError, OSError, EOFError) as error:
        raise Unavailable(what, f"no connection to the API server: {error or type(error).__name__}") from error
