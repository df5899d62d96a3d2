"""What the user calls the data of a call: the name of the variable that was passed.

At the top of a script or notebook it is found by identity. The variables of a function are not looked at: before
Python 3.13 that writes into what ``locals()`` gave the user. There it is read where the call stands in the source.
What a function was given as a parameter is looked for in its caller, so that ``evaluate(model, X_test)`` names
``X_test``.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import linecache
from types import CodeType, FrameType
from typing import Any

UNKNOWN = "unknown_dataset"  # as MLflow calls what is not in a variable


def name_of(value: Any, frame: FrameType | None, function: str, place: int, parameter: str) -> str:
    """Return the name of a value that ``frame`` passes to a function, at a place or as a parameter."""
    found = UNKNOWN
    while frame is not None:
        code = frame.f_code
        if not code.co_flags & inspect.CO_OPTIMIZED:
            return _of_identity(frame, value) or found
        written = _written(frame, function, place, parameter)
        if not written:
            return found
        found = written
        parameters = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        if written not in parameters:
            return found
        function, place, parameter = code.co_name, parameters.index(written), written
        if parameters[0] in ("self", "cls"):
            place -= 1
        frame = frame.f_back
    return found


def _of_identity(frame: FrameType, value: Any) -> str:
    names = (name for name, known in list(frame.f_locals.items()) if known is value and not name.startswith("_"))
    return next(names, "")


def _written(frame: FrameType, function: str, place: int, parameter: str) -> str:
    """Return the name that stands in the source as an argument of the call that a frame is at; empty when it has none.

    The source may have changed since it was read, so a call of another function, or a name that the code
    does not know, is none.
    """
    try:
        call = ast.parse(f"({_source(frame)})", mode="eval").body
    except (SyntaxError, ValueError):
        return ""
    if not isinstance(call, ast.Call) or _last_name(call.func) != function:
        return ""
    before = call.args[: place + 1]
    argument = next((keyword.value for keyword in call.keywords if keyword.arg == parameter), None)
    if len(before) > place and not any(isinstance(one, ast.Starred) for one in before):
        argument = before[place]
    name = _last_name(argument)
    return name if name in _names(frame.f_code) else ""


def _source(frame: FrameType) -> str:
    """Return the text of the call that a frame is at; empty when there is no source."""
    code = frame.f_code
    place = next(itertools.islice(code.co_positions(), frame.f_lasti // 2, None), None)
    if place is None or None in place:
        return ""
    first, last, begin, end = (int(number or 0) for number in place)
    lines = [line.encode() for line in linecache.getlines(code.co_filename, frame.f_globals)[first - 1 : last]]
    if not lines or len(lines) < last - first + 1:
        return ""
    lines[-1] = lines[-1][:end]  # columns are counted in bytes
    lines[0] = lines[0][begin:]
    return b"".join(lines).decode()


def _last_name(node: ast.expr | None) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""


def _names(code: CodeType) -> tuple[str, ...]:
    return code.co_varnames + code.co_names + code.co_freevars + code.co_cellvars
