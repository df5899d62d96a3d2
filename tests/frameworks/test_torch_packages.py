"""Modules of PyTorch as packages: what they answer, one digest, and that saving leaves the user's alone."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import mlgitops
from mlgitops import digest, packages, tracking
from mlgitops.errors import InputError
from mlgitops.packages.flavors import zips

pytestmark = pytest.mark.filterwarnings("default")  # the frameworks' own

ROWS = np.random.default_rng(0).normal(size=(6, 3))


class Net(torch.nn.Module):
    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(3, width),
            torch.nn.BatchNorm1d(width),
            torch.nn.ReLU(),
            torch.nn.Dropout(0.5),
            torch.nn.Linear(width, 2),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


class Towers(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = torch.nn.Linear(3, 2), torch.nn.Embedding(9, 2)
        self.right.weight = torch.nn.Parameter(torch.ones(9, 2))

    def forward(self, rows: torch.Tensor, words: torch.Tensor, scale: float = 2.0) -> dict[str, torch.Tensor]:
        near = self.left(rows) * scale
        return {"near": near, "far": near + self.right(words).sum(dim=1)}


def net() -> Net:
    torch.manual_seed(3)
    made = Net()
    made(torch.randn(8, 3)).sum().backward()  # batch statistics and gradients
    return made


def answer_of(module: Any, rows: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return copy.deepcopy(module).eval()(torch.tensor(rows, dtype=torch.float32)).numpy()


def load(package: packages.Package) -> packages.LoadedModel:
    return packages.load(package.folder, digest=package.digest, allow_code=True)


def test_a_package_answers_as_the_module_for_any_number_of_rows(tmp_path: Path) -> None:
    module = net()
    package = packages.save(module, tmp_path / "package", input_example=ROWS)
    assert (package.format, package.safety) == ("torch", "code")
    assert [(spec.name, spec.datatype, spec.shape) for spec in package.signature.inputs] == [("input", "FP32", (-1, 3))]
    loaded = load(package)
    for rows in (1, 2, 5):
        answer = loaded.infer({"input": ROWS[:rows]})["predict"]
        np.testing.assert_allclose(answer, answer_of(module, ROWS[:rows]), rtol=1e-5, atol=1e-6)


def test_inputs_and_outputs_go_by_name(tmp_path: Path) -> None:
    module = Towers()
    rows = {"rows": torch.randn(4, 3), "words": torch.randint(0, 9, (4, 2))}
    package = packages.save(module, tmp_path / "package", input_example=rows)
    assert [(spec.name, spec.datatype) for spec in package.signature.inputs] == [("rows", "FP32"), ("words", "INT64")]
    answer = load(package).infer({name: value[:3].numpy() for name, value in rows.items()})
    expected = module(**{name: value[:3] for name, value in rows.items()})
    for name, value in expected.items():
        np.testing.assert_allclose(answer[name], value.detach().numpy(), rtol=1e-5)


def test_columns_of_an_example_become_inputs(tmp_path: Path) -> None:
    module = net()
    table = {name: ROWS[:, index] for index, name in enumerate("abc")}
    package = packages.save(module, tmp_path / "package", input_example=table)
    assert [spec.name for spec in package.signature.inputs] == ["a", "b", "c"]
    answer = load(package).infer(table)["predict"]
    np.testing.assert_allclose(answer, answer_of(module, ROWS), rtol=1e-5, atol=1e-6)


SAVING = """
import sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from test_torch_packages import ROWS, net
from mlgitops import packages
print(packages.save(net(), Path(sys.argv[1]), input_example=ROWS).digest)
"""


def test_one_module_has_one_digest_in_this_process_and_in_another(tmp_path: Path) -> None:
    module = net()
    saved = [packages.save(module, tmp_path / name, input_example=ROWS) for name in "ab"]
    command = [sys.executable, "-c", SAVING, str(tmp_path / "there"), str(Path(__file__).parent)]
    there = subprocess.run(command, env=dict(os.environ), capture_output=True, text=True, timeout=100, check=True)
    assert {package.digest for package in saved} == {there.stdout.split()[-1]}


def test_a_package_names_no_place_of_this_machine_and_holds_few_rows(tmp_path: Path) -> None:
    package = packages.save(net(), tmp_path / "package", input_example=ROWS)
    content = package.data.read_bytes()
    assert __file__.encode() not in content and b"site-packages" not in content
    assert not any(row.astype("float32").tobytes() in content for row in ROWS)


def test_saving_leaves_the_module_and_the_random_numbers_alone(tmp_path: Path) -> None:
    module = net()
    module.layers[3].eval()  # a mode of one's own
    watched = module.layers[0].register_full_backward_hook(lambda *_: None)

    def state() -> Any:
        weights = [(name, weight.clone(), weight.grad, id(weight)) for name, weight in module.named_parameters()]
        modes = [part.training for part in module.modules()]
        return weights, modes, {name: value.clone() for name, value in module.state_dict().items()}

    before, random = state(), torch.get_rng_state()
    packages.save(module, tmp_path / "package", input_example=ROWS)
    after = state()
    assert torch.equal(torch.get_rng_state(), random)
    assert before[1] == after[1]
    for one, other in zip(before[0], after[0], strict=True):
        assert one[0] == other[0] and torch.equal(one[1], other[1]) and one[2] is other[2] and one[3] == other[3]
    assert all(torch.equal(value, after[2][name]) for name, value in before[2].items())
    assert len(module.layers[0]._backward_hooks) == 1
    watched.remove()


class Branching(Net):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) if x.sum() > 0 else x


class Fixed(Net):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.reshape(6, 3))


class Summing(Net):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x).sum()


class Nested(Net):
    def forward(self, x: torch.Tensor) -> Any:
        return [[x]]


def hooked() -> Net:
    made = net()
    made.layers[0].register_forward_hook(lambda *_: None)
    return made


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (Branching, "Branching cannot be exported"),
        (Fixed, "Fixed cannot be exported|Fixed has shape"),
        (Summing, "one entry a row"),
        (Nested, "expected a tensor"),
        (hooked, "forward hook"),
    ],
)
def test_what_cannot_be_served_is_refused_with_the_reason(make: Any, match: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=match):
        packages.save(make(), tmp_path / "package", input_example=ROWS)


def test_a_module_needs_an_example_that_its_forward_takes(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="pass input_example="):
        packages.save(net(), tmp_path / "package")
    with pytest.raises(InputError, match="forward of the Net takes: x"):
        packages.save(net(), tmp_path / "package", input_example={"y": ROWS, "z": ROWS})


def test_a_pickle_is_opened_with_no_allowance_and_with_one_only_as_an_export(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "proof",))

    package = packages.save(net(), tmp_path / "package", input_example=ROWS)
    hostile = {f"archive/data/weights/{name}": pickle.dumps(Evil()) for name in ("weight_0", "model.pt")}
    for content in (pickle.dumps(Evil()), zips.packed(hostile)):
        package.data.write_bytes(content)
        digest.seal(package.folder)
        with pytest.raises(InputError, match="allow it in both"):
            packages.load(package.folder)
        with pytest.raises(InputError, match=r"zip archive|cannot be loaded"):
            packages.load(package.folder, allow_code=True)
    assert not (tmp_path / "proof").exists()


class Line(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)

    def training_step(self, batch: list[torch.Tensor], number: int) -> torch.Tensor:
        return torch.nn.functional.mse_loss(self(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.05)


class Steps(Line):
    forward = pl.LightningModule.forward

    def training_step(self, batch: list[torch.Tensor], number: int) -> torch.Tensor:
        return torch.nn.functional.mse_loss(self.layer(batch[0]), batch[1])


def fit(kind: type, folder: Path) -> tuple[Any, Any]:
    pl.seed_everything(3, verbose=False)
    rows = torch.randn(64, 2)
    trainer = pl.Trainer(
        default_root_dir=folder,
        max_epochs=2,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    module = kind()
    trainer.fit(module, DataLoader(TensorDataset(rows, rows.sum(dim=1, keepdim=True)), batch_size=16, shuffle=True))
    return trainer, module


def test_autologging_exports_a_module_of_lightning(root: Path, tmp_path: Path) -> None:
    _, expected = fit(Line, tmp_path)
    mlgitops.autolog(full=True)
    trainer, module = fit(Line, tmp_path)
    assert torch.equal(module.layer.weight, expected.layer.weight)
    assert module.trainer is trainer and not [one for one in trainer.callbacks if "mlgitops" in type(one).__module__]
    (record,) = tracking.list_runs(root)
    (logged,) = record.models
    assert logged.format == "torch"
    package = packages.inspect(record.folder / logged.path)
    answer = load(package).infer({"input": ROWS[:, :2]})["predict"]
    np.testing.assert_allclose(answer, answer_of(module.layer, ROWS[:, :2]), rtol=1e-5, atol=1e-6)


def test_autologging_says_that_a_module_without_forward_is_left_out(root: Path, tmp_path: Path) -> None:
    mlgitops.autolog()
    fit(Steps, tmp_path)
    (record,) = tracking.list_runs(root)
    assert record.models == ()
    assert "as its forward takes them" in record.tags["autolog.model"]
