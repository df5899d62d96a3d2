"""Which source may take the place of a version's: a clean one of another run, where there was no clean one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlgitops.api.model import Run, Source
from mlgitops.bot.sources import replaces
from worlds.rollout import version

CLEAN, DIRTY = Source(commit="c" * 40), Source(commit="c" * 40, dirty=True)
FIRST, SECOND = Run("01RUN"), Run("02RUN")


@pytest.mark.parametrize(
    ("old", "first", "new", "second", "may"),
    [
        (None, None, CLEAN, SECOND, True),
        (None, FIRST, CLEAN, SECOND, True),
        (DIRTY, FIRST, CLEAN, SECOND, True),
        (Source(), FIRST, CLEAN, SECOND, True),
        (DIRTY, FIRST, CLEAN, FIRST, False),
        (DIRTY, FIRST, CLEAN, None, False),
        (DIRTY, FIRST, DIRTY, SECOND, False),
        (DIRTY, FIRST, Source(), SECOND, False),
        (DIRTY, FIRST, None, SECOND, False),
        (CLEAN, FIRST, CLEAN, SECOND, False),
    ],
)
def test_only_a_clean_source_of_another_run_replaces_one_that_is_not(
    old: Source | None, first: Run | None, new: Source | None, second: Run | None, may: bool
) -> None:
    made = version(1)
    before = replace(made, spec=replace(made.spec, source=old, run=first))
    after = replace(made, spec=replace(made.spec, source=new, run=second))
    assert replaces(before, after) is may
