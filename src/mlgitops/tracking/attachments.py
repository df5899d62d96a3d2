"""What a run keeps besides lines: files, pictures, tables, data sets and models.

What is given wrongly raises, so that it can be corrected; a disk that does not take it is told
and does not stop training, except for ``log_artifact`` and ``log_model``, whose result the caller needs.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from json import dumps
from pathlib import Path

from mlgitops.tracking import places

TYPE_CHECKING = False  # a name that type checkers read as true, without importing typing
if TYPE_CHECKING:
    from typing import Any

    from mlgitops.tracking.digesting import Digesting
    from mlgitops.tracking.locks import Held
    from mlgitops.tracking.media import Encoded
    from mlgitops.tracking.records import Dataset, LoggedModel


class Attachments:
    """The part of a run's handle that keeps more than lines."""

    folder: Path
    digesting: list[Digesting]

    def log_artifact(self, path: str | os.PathLike[str], name: str | None = None) -> Path:
        """Copy a file or folder into the record, as ``artifacts/<name>``, and return the copy.

        Raises:
            NotFoundError: there is nothing at the path.
            InputError: the name is no plain relative path, or the folder holds the record itself.
            OutsideError: it cannot be copied.
        """
        from mlgitops.tracking.contents import copy_artifact

        return copy_artifact(Path(path), self.folder / places.ARTIFACTS, name)

    def log_figure(self, figure: object, name: str = "figure", step: int | None = None) -> None:
        """Keep a figure of matplotlib (``.png``, or as the name ends) or plotly (``.html`` or ``.json``).

        Raises:
            InputError: it is no figure, or the name is no plain relative path.
        """
        from mlgitops.tracking import media

        self._keep("figure", name, step, lambda: media.figure(figure, name))

    def log_image(self, image: object, name: str = "image", step: int | None = None) -> None:
        """Keep an image as PNG: a PIL image, or an array of height x width (x 1, 3 or 4 channels).

        Whole numbers are 0 to 255, fractions and booleans 0 to 1.

        Raises:
            InputError: it is no image, or the name is no plain relative path.
        """
        from mlgitops.tracking import media

        self._keep("image", name, step, lambda: media.image(image))

    def log_table(self, table: object, name: str = "table", step: int | None = None) -> None:
        """Keep a table: a list of dicts, a dict of columns, or a frame of pandas, polars or Arrow.

        It is written as Parquet where pyarrow is installed, else as one JSON object a row.

        Raises:
            InputError: it is no table, or the name is no plain relative path.
        """
        from mlgitops.tracking import tables

        self._keep("table", name, step, lambda: tables.table(table))

    def log_text(self, text: str, name: str = "text", step: int | None = None) -> None:
        """Keep a text, as UTF-8; a name without an ending becomes ``.txt``.

        Raises:
            InputError: the name is no plain relative path.
        """
        from mlgitops.tracking import media

        self._keep("text", name, step, lambda: media.text(text, "txt"))

    def log_html(self, html: str, name: str = "page", step: int | None = None) -> None:
        """Keep a page of HTML; nothing of it is ever shown unescaped by our own pages.

        Raises:
            InputError: the name is no plain relative path.
        """
        from mlgitops.tracking import media

        self._keep("html", name, step, lambda: media.text(html, "html"))

    def log_dict(self, value: object, name: str = "dict", step: int | None = None) -> None:
        """Keep a value as JSON; what JSON has not becomes text.

        Raises:
            InputError: the name is no plain relative path.
        """
        from mlgitops.tracking import media

        self._keep("dict", name, step, lambda: media.json_text(value))

    def log_audio(self, samples: object, rate: int, name: str = "audio", step: int | None = None) -> None:
        """Keep sound as 16-bit WAV: an array of samples (x channels), fractions from -1 to 1, at ``rate`` hertz.

        Raises:
            InputError: it is no sound, or the name is no plain relative path.
        """
        from mlgitops.tracking import media

        self._keep("audio", name, step, lambda: media.audio(samples, rate))

    def log_dataset(
        self, data: object, name: str | None = None, context: str | None = None, wait: bool = False
    ) -> Dataset:
        """Write which data the run used: its name, rows and the digest of its full content.

        Args:
            data: a file or folder; an array of numpy, a frame of pandas or polars, a table of Arrow, a tensor, a
                sparse matrix, a data set of PyTorch with a length; or a tuple, list or mapping of such.
            name: what the data is called; for a path its name.
            context: what it was used for, such as ``training``.
            wait: digest now, however large it is. Else large files are digested meanwhile by a process beside
                training, the digest that is returned is empty, and the end of the run waits for it.

        Raises:
            NotFoundError: there is nothing at the path.
            InputError: data of this kind has no digest yet.
        """
        from mlgitops.tracking.datasets import describe

        found, line, digesting = describe(data, name, context, self.folder, wait)
        if digesting:
            self.digesting.append(digesting)
        try:
            self._line("dataset", dumps(line))
        except OSError as error:
            self.failed("data", error, found.name)
        return found

    def log_model(self, model: Any, name: str = "model", **options: Any) -> LoggedModel:
        """Save a model as a package of this run; see ``mlgitops.packages.save`` for the options.

        Raises:
            InputError: the name is no plain name, or the model cannot be saved safely.
            MissingExtraError: the framework of its format is not installed.
            OutsideError: the disk does not take it.
        """
        from mlgitops.tracking.models import save

        def say(logged: LoggedModel) -> None:
            line = {"name": logged.name, "path": logged.path, "digest": logged.digest, "format": logged.format}
            self._line("model", dumps(line))

        return save(self.folder, model, name, options, say)

    def promise_model(self, name: str, token: str) -> Held:
        """Say that a process beside this one saves a model; the lock that is returned goes to that process.

        Raises:
            OSError: it cannot be written.
        """
        from mlgitops.tracking import unsaved

        (self.folder / places.MODELS).mkdir(parents=True, exist_ok=True)
        with unsaved.placing(self.folder):
            held = unsaved.promise(self.folder, name, token)
            try:
                self._line("model", dumps({"name": name, "token": token, "pending": True}))
            except BaseException:
                held.close()
                raise
        return held

    def take_back_model(self, name: str, token: str) -> None:
        """Say that a model that was promised will not be there."""
        from mlgitops.tracking import unsaved

        unsaved.path(self.folder, name, token).unlink(missing_ok=True)
        line = {"name": name, "token": token, "problem": "the process that saves it could not be reached"}
        self._line("model", dumps(line))

    def _keep(self, kind: str, name: str, step: int | None, encode: Callable[[], Encoded]) -> None:
        from mlgitops.errors import OutsideError
        from mlgitops.tracking.contents import write_artifact

        encoded = encode()
        path = encoded.path(name, step)
        try:
            write_artifact(encoded.data, self.folder / places.ARTIFACTS, path)
            line = {"kind": kind, "name": name, "path": f"{places.ARTIFACTS}/{path}", "step": step}
            self._line("media", dumps({key: value for key, value in line.items() if value is not None}))
        except (OSError, OutsideError) as error:
            self.failed(kind, error, name)

    def _line(self, kind: str, value: str, rest: str = "") -> None:
        raise NotImplementedError

    def failed(self, what: str, error: Exception, name: object = "") -> None:
        """Count what could not be written and tell it once."""
        raise NotImplementedError
