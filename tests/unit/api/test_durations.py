from __future__ import annotations

import pytest

from mlgitops.api.durations import seconds
from mlgitops.errors import InputError


@pytest.mark.parametrize(
    ("text", "expected"), [("30s", 30.0), ("1h30m", 5400.0), ("250ms", 0.25), ("0s", 0.0), ("1.5m", 90.0)]
)
def test_a_duration_is_seconds(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "5", "s", "-1s", "1d", "1 s", "Indefinite", "1s\n"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not a duration"):
        seconds(text)
