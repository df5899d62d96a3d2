"""Whatever a folder holds, its digest follows its content and nothing else."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from mlgitops import digest
from mlgitops.digest import Manifest

names = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=8)
contents = st.dictionaries(names, st.binary(max_size=200), max_size=6)


def write(files: dict[str, bytes], folder: Path, order: list[str]) -> None:
    for name in order:
        (folder / f"{name}.bin").write_bytes(files[name])
        os.utime(folder / f"{name}.bin", (len(order), len(order)))


@given(contents, st.randoms())
def test_order_and_times_do_not_matter(files: dict[str, bytes], random) -> None:
    order = list(files)
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        write(files, Path(one), order)
        random.shuffle(order)
        write(files, Path(two), order)
        assert digest.seal(Path(one)).digest == digest.seal(Path(two)).digest


@given(contents)
def test_a_manifest_survives_its_own_text(files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as one:
        write(files, Path(one), list(files))
        manifest = digest.seal(Path(one))
        assert Manifest.from_bytes(manifest.to_bytes()) == manifest
