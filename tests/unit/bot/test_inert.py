"""Foreign text is shown and does nothing."""

from __future__ import annotations

import pytest

from mlgitops.bot.inert import code, plain

HOSTILE = [
    "$(rm -rf /)",
    "`; DROP TABLE runs; `",
    "</details><script>alert(1)</script>",
    "@everyone look at https://evil.example",
    "![x](https://evil.example/pixel.png)",
    "a | b | c",
    "\x1b]0;owned\x07\x1b[31mred",
    "line one\nline two\r\nline three",
    "right‮to left",
    "zero​width",
    "{{ 7*7 }} ${jndi:ldap://x}",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_code_span_holds_the_whole_text_on_one_line(text: str) -> None:
    span = code(text)
    fence = span[: len(span) - len(span.lstrip("`"))]
    inner = span[len(fence) : -len(fence)]
    assert span.endswith(fence)
    assert fence not in inner
    assert "\n" not in span
    assert "\r" not in span
    assert "\x1b" not in span


def test_a_pipe_does_not_end_a_table_cell() -> None:
    assert code("a|b") == "`a\\|b`"


def test_backticks_inside_get_a_longer_fence() -> None:
    assert code("a `` b") == "```a `` b```"
    assert code("`x`") == "`` `x` ``"


@pytest.mark.parametrize(
    ("text", "expected"), [("\x1b[31mred\x1b[0m", "[31mred[0m"), ("a\tb\nc", "a b c"), ("‮abc", "abc")]
)
def test_a_terminal_line_has_no_steering_characters(text: str, expected: str) -> None:
    assert plain(text) == expected


def test_a_long_text_is_cut_with_a_sign_of_it() -> None:
    assert plain("x" * 1000, longest=10) == "x" * 9 + "…"
