"""Which command an image stands for: an explicit table, and nothing outside it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlgitops.errors import InputError, NotFoundError

# Enough of a reference's grammar to tell a name that cannot be one.
# https://github.com/distribution/reference
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:_/-]*(@sha256:[0-9a-f]{64})?")


@dataclass(frozen=True, slots=True)
class Program:
    """A locked environment: its Python, further variables, and what runs when a container names no command."""

    python: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()


class ImageTable:
    """Images by their full name."""

    def __init__(self, programs: Mapping[str, Program], place: str) -> None:
        self._programs = dict(programs)
        self._place = place

    @classmethod
    def load(cls, path: Path) -> ImageTable:
        """Read ``{"image": {"python": path, "env": {…}, "entrypoint": […]}}``.

        Raises:
            InputError: it is not such a table.
        """
        try:
            raw = json.loads(path.read_bytes())
            programs = {
                image: Program(
                    Path(entry["python"]),
                    {str(name): str(value) for name, value in entry.get("env", {}).items()},
                    tuple(str(part) for part in entry.get("entrypoint", ())),
                )
                for image, entry in raw.items()
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path} is not a table of images: {error}") from error
        return cls(programs, str(path))

    def find(self, image: str) -> Program:
        """Return what an image stands for.

        Raises:
            NotFoundError: the table has no such image; the message lists those it has.
            InputError: no image can have this name.
        """
        if not _IMAGE.fullmatch(image):
            raise InputError(f"image {image!r} is no name of an image; expected one such as registry.example.com/app:1")
        program = self._programs.get(image)
        if program is None:
            known = ", ".join(sorted(self._programs)) or "none"
            raise NotFoundError(f"image {image!r} is not in the process node's table {self._place}; known: {known}")
        return program
