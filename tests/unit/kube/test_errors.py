from __future__ import annotations

import pytest

from mlgitops import kube
from mlgitops.errors import ConflictError, OutsideError
from mlgitops.kube.errors import from_status, translated


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        (401, "Unauthorized", kube.Unauthorized),
        (403, "Forbidden", kube.Forbidden),
        (404, "NotFound", kube.NotFound),
        (409, "AlreadyExists", kube.AlreadyExists),
        (409, "Conflict", kube.Conflict),
        (410, "Expired", kube.Gone),
        (422, "Invalid", kube.Invalid),
        (429, "TooManyRequests", kube.TooManyRequests),
        (500, "InternalError", kube.Unavailable),
        (504, "Timeout", kube.Unavailable),
    ],
)
def test_each_answer_has_its_error(code: int, reason: str, expected: type[kube.KubeError]) -> None:
    error = from_status("Pod shop/iris", {"code": code, "reason": reason, "message": "because"})
    assert type(error) is expected
    assert str(error) == "Pod shop/iris: because"
    assert isinstance(error, OutsideError)


def test_a_lost_compare_and_swap_is_a_conflict_for_everybody() -> None:
    assert issubclass(kube.Conflict, ConflictError)


def test_a_busy_api_server_says_how_long_to_wait() -> None:
    error = from_status("pods", {"code": 429, "details": {"retryAfterSeconds": 7}})
    assert isinstance(error, kube.TooManyRequests)
    assert error.retry_after == 7


def test_an_applied_field_that_the_schema_lacks_cannot_be_retried() -> None:
    status = {"code": 500, "message": "failed to create typed patch object (a/b; /v1, Kind=ConfigMap): .dat: field …"}
    assert type(from_status("ConfigMap a/b", status)) is kube.Invalid


def test_an_answer_without_words_still_says_its_number() -> None:
    assert "503" in str(from_status("pods", {}, 503))


@pytest.mark.parametrize("error", [ConnectionResetError("reset"), TimeoutError(), EOFError()])
def test_a_broken_connection_is_unavailable(error: Exception) -> None:
    with pytest.raises(kube.Unavailable, match="Pod shop/iris: no connection"), translated("Pod shop/iris"):
        raise error


def test_a_mistake_of_ours_is_not_hidden_as_an_outage() -> None:
    with pytest.raises(KeyError), translated("pods"):
        raise KeyError("mine")
