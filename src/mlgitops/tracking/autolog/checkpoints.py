"""The best checkpoint that a framework wrote while it trained, kept with the run.

It is copied, not linked: the file is the user's to overwrite, and the record is sealed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mlgitops.tracking.autolog.fits import Fit

FOLDER = "checkpoints"
_ALWAYS = 0.02  # seconds of copying, where a busy machine has used up the time
_BYTES_PER_SECOND = 150e6  # a guess: it is written, and read again for its digest


def keep(fit: Fit, path: Path, told: Mapping[str, object]) -> None:
    """Copy a checkpoint into the record when that fits into the budget, and write what is told of it beside it."""
    if fit.options.log_checkpoints is False or not path.exists():
        return
    seconds = _size(path) / _BYTES_PER_SECOND
    if fit.options.log_checkpoints is None and seconds > max(fit.budget.left, _ALWAYS):
        fit.note(
            "checkpoint",
            f"left out: copying {path.name} takes about {seconds:.1f} s, which is more than 2 % of the fit; "
            "autolog(log_checkpoints=True) keeps it all the same",
        )
        return
    fit.run.log_artifact(path, f"{FOLDER}/{path.name}")
    fit.run.log_dict({"file": path.name, **told}, f"{FOLDER}/best")


def _size(path: Path) -> int:
    """Return the bytes of a file, or of all files of a folder, as which a sharded checkpoint is written."""
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    return sum(one.stat().st_size for one in files)
