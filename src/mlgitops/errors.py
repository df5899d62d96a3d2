"""What can go wrong, by what the reader should do about it.

    MlgitopsError                something failed                             exit 1
    ├── InputError               correct what you gave                        exit 2
    │   ├── NotFoundError        name something that exists
    │   ├── InvalidError         several problems, each with file and field
    │   └── MissingExtraError    install the named extra
    ├── CheckFailedError         a gate or a check said no                    exit 1
    ├── IntegrityError           bytes are not what their digest promises     exit 1
    └── OutsideError             something outside failed; try again later    exit 3
        ├── RefusedError         a server said no; get the right, or go another way
        └── ConflictError        somebody else was first; read again, retry

Every message names the thing, what was wrong, what was expected and the next
step. The command line prints the message and no traceback.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import ClassVar


class MlgitopsError(Exception):
    """The root of every error that this package raises on purpose."""

    exit_code: ClassVar[int] = 1


class InputError(MlgitopsError):
    """What the caller gave is wrong; the message says how to correct it."""

    exit_code: ClassVar[int] = 2


class NotFoundError(InputError):
    """The caller named something that does not exist; the message lists what does."""


class MissingExtraError(InputError):
    """An optional dependency is not installed; the message names the pip command.

    ``extra`` is empty for a package that no extra brings.
    """

    def __init__(self, package: str, extra: str) -> None:
        wanted = f"'mlgitops[{extra}]'" if extra else package
        super().__init__(f"{package} is not installed; run: pip install {wanted}")
        self.package = package
        self.extra = extra


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in one file: where it is, what is wrong and what would be right.

    ``line`` counts from 1, 0 means the whole file; ``field`` is a dotted path
    such as ``spec.steps[2].weight``, empty for the whole document.
    """

    file: str
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.field) if part) + f" {self.message}"


class InvalidError(InputError):
    """All problems of an input at once, so that five mistakes are seen as five."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class CheckFailedError(MlgitopsError):
    """A check or gate that ran to its end said no."""


class IntegrityError(MlgitopsError):
    """Bytes do not have the digest that was promised for them."""

    def __init__(self, what: str, *, expected: str, found: str) -> None:
        super().__init__(f"{what}: expected digest {expected}, found {found}; restore the original bytes")
        self.what = what
        self.expected = expected
        self.found = found


class OutsideError(MlgitopsError):
    """Something outside of this process failed: network, git remote, API server, disk."""

    exit_code: ClassVar[int] = 3


class RefusedError(OutsideError):
    """A server understood and said no: ask for the right to do it, or go another way."""


class ConflictError(OutsideError):
    """A compare-and-swap was lost: somebody else wrote first. Read again, then retry."""


def require(module: str, extra: str) -> ModuleType:
    """Import an optional dependency, or a module of ours that needs one.

    Raises:
        MissingExtraError: it is not installed; the message names it and the extra.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        root, missing = module.partition(".")[0], (error.name or "").partition(".")[0]
        is_wanted = missing not in ("", root) if root == "mlgitops" else missing == root
        if not is_wanted:
            raise
        raise MissingExtraError(missing, extra) from error
