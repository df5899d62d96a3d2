"""The source of a version that was trained from code that no commit holds: a clean run of the same digest names it.

Training that is deterministic makes the same package from committed code. No other version can come of
it, so the run takes the place of the first one's, which is all that may change of a version's making.
"""

from __future__ import annotations

from mlgitops.api import ModelVersion
from mlgitops.bot.context import Context
from mlgitops.bot.inert import code, plain
from mlgitops.errors import InputError
from mlgitops.forge import Pull
from mlgitops.promotion import trained_from
from mlgitops.registry import edit, layout


def replaces(old: ModelVersion, new: ModelVersion) -> bool:
    """Return whether a version names the clean source that an equal one lacks, and another run that it comes of.

    The rules of the ModelVersion's CRD say the same of an update.
    """
    before, after, run = old.spec.source, new.spec.source, new.spec.run
    if (before and before.is_clean) or not (after and after.is_clean):
        return False
    return run is not None and (old.spec.run is None or old.spec.run.id != run.id)


def told(old: ModelVersion, new: ModelVersion) -> str:
    """Return in words what takes the place of what; foreign text in it is not inert."""
    return f"{_told(old)} → {_told(new)}; the digest stays"


def _told(version: ModelVersion) -> str:
    run = f"run {version.spec.run.id}" if version.spec.run else "no run"
    return f"{run}, trained from {trained_from(version.spec.source)}"


def open_replacement(context: Context, old: ModelVersion, new: ModelVersion) -> tuple[str, Pull]:
    """Open the pull request that gives a version another one's source and run; return its title too.

    Doing so twice is doing it once: one is open for a version at a time.

    Raises:
        InputError: nothing of the other version may take a place here.
        OutsideError: remote or forge cannot be reached.
    """
    source, run = new.spec.source, new.spec.run
    name, number = old.spec.model_ref.name, old.spec.version
    if source is None or run is None or not replaces(old, new):
        raise InputError(
            f"the source of {name}:{number} stays; only a clean one of another run replaces one that is not"
        )
    path = layout.version(name, int(number))
    data = edit.set_source(context.repository.tree(context.base, path)[path], source, run)
    title = f"Name the clean source of {name}:{number}"
    commit = context.repository.commit(context.base, {path: data}, f"{title}\n\nRun {plain(run.id)}\n")
    body = [
        f"Run {code(run.id)} made the digest of {code(f'{name}:{number}')} again, from committed code.",
        "",
        "| | run | source |",
        "|---|---|---|",
        *(
            f"| {when} | {code(found.spec.run.id if found.spec.run else 'none')} "
            f"| {code(trained_from(found.spec.source))} |"
            for when, found in (("before", old), ("now", new))
        ),
        "",
        "Nothing else of the version changes, its metrics and parameters included. This can be done once.",
    ]
    head = f"mlgitops/propose/{name}.{number}-source"
    return title, context.forge.open_pull(head, context.branch, commit, title, "\n".join(body))
