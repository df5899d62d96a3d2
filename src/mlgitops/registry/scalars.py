"""What an unquoted scalar means: YAML 1.1 as kubectl reads it, without dates."""

from __future__ import annotations

import math
import re
from typing import Any, Final

_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE: Final = frozenset({"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"})
_FALSE: Final = frozenset({"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"})
_INFINITE: Final = frozenset(sign + word for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF"))
_NO_NUMBER: Final = frozenset({".nan", ".NaN", ".NAN"})
_INT: Final = re.compile(r"[-+]?(0b_*[01][01_]*|0x_*[0-9a-fA-F][0-9a-fA-F_]*|0o_*[0-7][0-7_]*|0[0-7_]*|[1-9][0-9_]*)")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
# No double holds a whole number with more characters; Python refuses to read one with 4300 digits.
_LONGEST: Final = 310


def meaning(text: str) -> Any:
    """Return the value of an unquoted scalar; what no JSON number can hold is infinite or not a number."""
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if text[0] in "+-.0123456789":
        if _INT.fullmatch(text):
            return _whole(text.replace("_", ""))
        if _FLOAT.fullmatch(text.replace("_", "")):
            return _number(float(text.replace("_", "")))
        if text in _INFINITE:
            return math.inf
        if text in _NO_NUMBER:
            return math.nan
    return text


def means_text(text: str) -> bool:
    """Say whether an unquoted scalar is read back as the text that it is."""
    return isinstance(meaning(text), str)


def fits_json(value: Any) -> bool:
    """Say whether JSON can hold a scalar's value."""
    return type(value) is not float or math.isfinite(value)


def _number(value: float) -> float:
    """Return a number as JSON has it: there, 1.0 and 1 are one."""
    return int(value) if value.is_integer() and abs(value) < 1 << 53 else value


def _whole(text: str) -> float:
    if len(text) > _LONGEST:
        return math.inf
    sign, digits = (-1, text[1:]) if text[0] == "-" else (1, text.lstrip("+"))
    if digits != "0" and digits[0] == "0" and digits[1] not in "xbo":
        return sign * int(digits, 8)
    return sign * int(digits, 0)
