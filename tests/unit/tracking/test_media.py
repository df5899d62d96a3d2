"""What is kept besides numbers, and opened again by what people open it with."""

from __future__ import annotations

import io
import json
import math
import sys
import wave
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from matplotlib.figure import Figure
from PIL import Image
from pyarrow import parquet

import mlgitops
from mlgitops import tracking
from mlgitops.errors import InputError
from mlgitops.tracking import media

mpl.use("agg")


def kept(run: tracking.Run) -> dict[str, bytes]:
    """Return what a run keeps, by path below its artifacts, as a reader finds it."""
    record = tracking.read(run.folder)
    return {one.path.removeprefix("artifacts/"): (run.folder / one.path).read_bytes() for one in record.media}


@pytest.mark.parametrize("channels", [0, 1, 3, 4])
@pytest.mark.parametrize("kind", ["uint8", "float32", "bool"])
def test_an_array_becomes_a_png_with_its_pixels(root: Path, channels: int, kind: str) -> None:
    shape = (5, 7, channels) if channels else (5, 7)
    pixels = np.random.default_rng(0).integers(0, 256, shape, "uint8")
    expected = pixels if kind != "bool" else np.where(pixels > 127, 255, 0).astype("uint8")
    given: Any = {"uint8": pixels, "float32": (pixels / 255).astype("float32"), "bool": pixels > 127}[kind]
    with mlgitops.start_run() as run:
        mlgitops.log_image(given, "sample")
    shown = np.asarray(Image.open(io.BytesIO(kept(run)["sample.png"])))
    assert np.array_equal(shown, expected.squeeze())


def test_a_pil_image_keeps_its_pixels_and_the_step_is_in_the_name(root: Path) -> None:
    with mlgitops.start_run() as run:
        mlgitops.log_image(Image.new("RGB", (4, 3), "red"), "samples/cat.png", step=7)
    (one,) = tracking.read(run.folder).media
    assert one == tracking.Media("image", "samples/cat.png", "artifacts/samples/cat-step7.png", 7)
    assert Image.open(run.folder / one.path).getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize(
    "image", [np.zeros((2, 2, 2)), np.zeros(3), np.zeros((0, 3)), np.array([[math.nan]]), np.array([["a"]]), "x", None]
)
def test_what_is_no_image_raises_and_keeps_nothing(root: Path, image: object) -> None:
    with mlgitops.start_run() as run, pytest.raises(InputError):
        mlgitops.log_image(image)
    assert tracking.read(run.folder).media == ()


@pytest.mark.parametrize(("name", "starts"), [("loss", b"\x89PNG"), ("loss.svg", b"<?xml"), ("loss.pdf", b"%PDF")])
def test_a_figure_is_drawn_as_its_name_ends(root: Path, name: str, starts: bytes) -> None:
    figure = Figure()
    axes = figure.subplots()
    axes.plot([1, 2])
    with mlgitops.start_run() as run:
        mlgitops.log_figure(figure, name)
        mlgitops.log_figure(axes, "axes")
    found = kept(run)
    assert found[name if "." in name else f"{name}.png"].startswith(starts)
    assert found["axes.png"].startswith(b"\x89PNG")


class Plotly:
    """What plotly's figures offer, which is not installed here."""

    def to_html(self, include_plotlyjs: bool) -> str:
        return f"<html>{include_plotlyjs}</html>"

    def to_json(self) -> str:
        return '{"data": []}'


def test_a_figure_of_plotly_is_a_page_that_needs_no_network(root: Path) -> None:
    with mlgitops.start_run() as run:
        mlgitops.log_figure(Plotly(), "loss")
        mlgitops.log_figure(Plotly(), "loss.json")
    assert kept(run) == {"loss.html": b"<html>True</html>", "loss.json": b'{"data": []}'}


ROWS = [{"x": 1, "y": "a"}, {"x": 2, "y": None}]


@pytest.mark.parametrize(
    "table",
    [ROWS, {"x": [1, 2], "y": ["a", None]}, pd.DataFrame(ROWS), pl.DataFrame(ROWS), pa.Table.from_pylist(ROWS)],
    ids=["rows", "columns", "pandas", "polars", "arrow"],
)
@pytest.mark.parametrize("has_pyarrow", [True, False])
def test_a_table_of_any_kind_reads_back(
    root: Path, monkeypatch: pytest.MonkeyPatch, table: object, has_pyarrow: bool
) -> None:
    if not has_pyarrow:
        monkeypatch.setitem(sys.modules, "pyarrow", None)
    with mlgitops.start_run() as run:
        mlgitops.log_table(table, "predictions")
    ((path, data),) = kept(run).items()
    if has_pyarrow:
        rows = parquet.read_table(io.BytesIO(data)).to_pylist()
    else:
        rows = [json.loads(line) for line in data.splitlines()]
        # pandas says NaN where there is nothing
        rows = [{key: None if cell == "NaN" else cell for key, cell in row.items()} for row in rows]
    assert path == ("predictions.parquet" if has_pyarrow else "predictions.jsonl")
    assert [{"x": row["x"], "y": row["y"]} for row in rows] == ROWS


def test_a_table_of_mixed_types_is_lines_of_json(root: Path) -> None:
    with mlgitops.start_run() as run:
        mlgitops.log_table([{"x": 1}, {"x": "one"}, {"x": math.inf}])
    assert kept(run)["table.jsonl"] == b'{"x": 1}\n{"x": "one"}\n{"x": "Infinity"}\n'


@pytest.mark.parametrize("table", [7, [1, 2], {"x": [1], "y": [1, 2]}, {"x": 1}])
def test_what_is_no_table_raises(root: Path, table: object) -> None:
    with mlgitops.start_run(), pytest.raises(InputError, match="log_table takes"):
        mlgitops.log_table(table)


@pytest.mark.parametrize("channels", [1, 2])
def test_sound_is_a_wav_file(root: Path, channels: int) -> None:
    samples = np.linspace(-1, 1, 100 * channels).reshape(100, channels)
    with mlgitops.start_run() as run:
        mlgitops.log_audio(samples if channels > 1 else samples[:, 0], 8000, "beep")
    with wave.open(io.BytesIO(kept(run)["beep.wav"])) as file:
        assert (file.getnchannels(), file.getframerate(), file.getnframes()) == (channels, 8000, 100)
        first = np.frombuffer(file.readframes(1), "<i2")[0]
    assert first == -32767


@pytest.mark.parametrize(
    "samples",
    [np.zeros((2, 2, 2)), np.zeros(3, "int64"), np.full(3, 40_000, "uint16"), np.array([0.5, math.nan]), "sound"],
)
def test_what_is_no_sound_raises(root: Path, samples: object) -> None:
    with mlgitops.start_run(), pytest.raises(InputError):
        mlgitops.log_audio(samples, 8000)


@pytest.mark.parametrize("rate", [0, 0.5, math.nan, 1 << 31, "fast", None])
def test_what_is_no_rate_of_samples_raises(root: Path, rate: Any) -> None:
    with mlgitops.start_run(), pytest.raises(InputError, match="hertz"):
        mlgitops.log_audio(np.zeros(3), rate)


@pytest.mark.parametrize("mode", ["CMYK", "F"])
def test_an_image_of_colours_that_png_has_not_says_how_to_convert_it(root: Path, mode: str) -> None:
    with mlgitops.start_run(), pytest.raises(InputError, match="convert"):
        mlgitops.log_image(Image.new(mode, (2, 2)))


def test_text_pages_and_values_are_kept_as_they_are(root: Path) -> None:
    with mlgitops.start_run() as run:
        mlgitops.log_text("ä\n", "notes/first")
        mlgitops.log_text("# A", "card.md")
        mlgitops.log_html("<b>x</b>", "report")
        mlgitops.log_dict({"a": {1, 2}, "b": math.nan, 3: np.arange(2), "c": object}, "config.json")
    found = kept(run)
    assert found["notes/first.txt"] == "ä\n".encode()
    assert found["card.md"] == b"# A"
    assert found["report.html"] == b"<b>x</b>"
    assert json.loads(found["config.json"]) == {"a": [1, 2], "b": "NaN", "3": [0, 1], "c": "<class 'object'>"}


def test_a_value_that_holds_itself_raises(root: Path) -> None:
    loop: list[object] = []
    loop.append(loop)
    with mlgitops.start_run(), pytest.raises(InputError, match="contains itself"):
        mlgitops.log_dict(loop)


@pytest.mark.parametrize("name", ["../evil", "/abs", "a/../../b", "a\\b", ""])
def test_a_kept_file_stays_in_the_record(root: Path, name: str) -> None:
    with mlgitops.start_run(), pytest.raises(InputError):
        mlgitops.log_text("x", name and f"{name}.txt")


def test_a_name_that_steps_out_by_a_record_made_by_hand_is_left_out(root: Path) -> None:
    with mlgitops.start_run() as run:
        (lines,) = run.folder.glob("w-*.jsonl")
        with lines.open("a") as file:
            file.write('{"media":{"kind":"image","name":"x","path":"../../secret.png"}}\n')
    assert tracking.read(run.folder).media == ()


def test_a_disk_that_takes_no_file_stops_no_training(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with mlgitops.start_run() as run:
        (run.folder / "artifacts").write_text("in the way")
        mlgitops.log_text("x")
    assert "1 values were not written" in tracking.read(run.folder).problems


def test_any_tensor_that_becomes_an_array_is_an_image() -> None:
    class Tensor:
        def detach(self) -> Tensor:
            return self

        def cpu(self) -> np.ndarray[Any, Any]:
            return np.zeros((2, 2))

    assert media.image(Tensor()) == media.image(np.zeros((2, 2)))
