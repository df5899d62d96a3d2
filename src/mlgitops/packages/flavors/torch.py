"""Modules of PyTorch and Lightning, exported by ``torch.export`` as ``.pt2``.

An export is the graph of what ``forward`` computes, with its weights, for any number of rows; the
module's own code is not needed where it is served. Reading one may unpickle what is in it,
so the format is *code*. What is exported is a copy on the CPU in evaluation mode: the user's
module, its gradients and the random numbers stay as they are.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
import torch._dynamo  # the first export would import it, which takes longer than many exports

from mlgitops.errors import InputError
from mlgitops.files import write_atomic
from mlgitops.packages import arrays
from mlgitops.packages.flavors import zips
from mlgitops.packages.flavors.base import Opened, Written
from mlgitops.packages.package import Package
from mlgitops.packages.signature import Signature

# How the inputs of a signature are handed to ``forward``: the one tensor, a matrix of columns, or by name.
Arrangement = Literal["tensor", "columns", "mapping"]

_ROWS: Final = 8  # of the example that are traced; shapes matter, values do not
_TOLD: Final = ("stack_trace", "nn_module_stack", "source_fn_stack", "torch_fn")  # of a node: where it comes from
_NOT_THE_MODEL: Final = ("_trainer", "_fabric")  # what Lightning lets a module know of its training


@dataclass(frozen=True, slots=True)
class ModuleRunner:
    """Runs a module on named inputs; ``dtype`` is that of a matrix of columns."""

    module: Any
    arrangement: Arrangement
    inputs: Signature
    dtype: str

    def __call__(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> dict[str, np.ndarray]:
        """Return the wanted outputs."""
        specs = self.inputs.inputs
        if self.arrangement == "columns":
            rows = arrays.matrix(inputs, specs).astype(self.dtype)
            found = _asked(self.module, (torch.tensor(rows),), {})
        elif self.arrangement == "tensor":
            found = _asked(self.module, (torch.tensor(inputs[specs[0].name]),), {})
        else:
            found = _asked(self.module, (), {spec.name: torch.tensor(inputs[spec.name]) for spec in specs})
        return {name: found[name] for name in outputs}


def write(
    model: Any,
    file: Path,
    example: Any | None,
    signature: Signature | None,
    trusted_types: Sequence[str],  # noqa: ARG001 - an export names no types of the user's
) -> Written:
    """Write a module.

    Raises:
        InputError: it cannot be exported for any number of rows, or does not answer for the example.
    """
    kind = type(model).__name__
    if not isinstance(model, torch.nn.Module):
        raise InputError(f"a {kind} is no torch.nn.Module")
    if example is None:
        raise InputError(
            f"a {kind} is exported by an example; pass input_example= to log_model, some rows as its forward takes them"
        )
    _refuse_hooks(model)
    columns = arrays.from_example(example)
    arrangement = _arrangement(model, columns)
    dtype = _dtype(model)
    args, kwargs = _traced(columns, arrangement, None if _is_torch(example) else dtype)
    with _undisturbed(kind):
        module = _copy(model)
        program = _exported(module, args, kwargs)
        answers = _asked(module, args, kwargs)
        _compare(kind, program.module(), args, kwargs, answers)
        data = _bytes(program)
    given = {name: args[0].numpy() for name in columns} if arrangement == "tensor" else columns
    given = {name: kwargs[name].numpy() for name in columns} if arrangement == "mapping" else given
    inputs = tuple(arrays.spec_of(name, array) for name, array in given.items())
    found = Signature(inputs, tuple(arrays.spec_of(name, array) for name, array in answers.items()))
    write_atomic(file, data)
    flavors = {
        "pytorch": {"model_data": ".", "pytorch_version": str(torch.__version__), "code": None},
        "python_function": {"loader_module": "mlflow.pytorch", "data": "."},
    }
    return Written(signature or found, {"arrangement": arrangement, "dtype": dtype}, flavors)


def open_package(package: Package, trusted_types: Sequence[str]) -> Opened:  # noqa: ARG001 - code may name any type
    """Load an export; it may run what is in the file, so ``packages.load`` asks for an allowance first.

    Raises:
        InputError: it cannot be read.
    """
    zips.sizes(package.data)
    try:
        native = torch.export.load(package.data).module()
    except Exception as error:  # torch promises no kind of error for a file that somebody else made
        raise InputError(f"{package.data} cannot be loaded: {type(error).__name__}: {str(error)[:300]}") from error
    settings = package.settings
    return Opened(native, ModuleRunner(native, settings["arrangement"], package.signature, settings["dtype"]))


def _refuse_hooks(model: Any) -> None:
    for part in model.modules():
        for hook in (*part._forward_pre_hooks.values(), *part._forward_hooks.values()):  # noqa: SLF001 - it has no other name
            if not str(getattr(hook, "__module__", "")).startswith("torch."):
                raise InputError(
                    f"a {type(part).__name__} of the {type(model).__name__} has a forward hook, which may change what "
                    "it answers and is no part of an export; remove it before saving"
                )


def _arrangement(model: Any, columns: Mapping[str, np.ndarray]) -> Arrangement:
    if set(columns) == {arrays.MATRIX}:
        return "tensor"
    names = set(inspect.signature(model.forward).parameters)
    if set(columns) <= names:
        return "mapping"
    if all(column.ndim == 1 for column in columns.values()):
        return "columns"
    raise InputError(
        f"the input example has {', '.join(columns)}; forward of the {type(model).__name__} takes: {', '.join(names)}"
    )


def _dtype(model: Any) -> str:
    """Return the floating type of a module's weights, as numpy names it."""
    kinds = (weight.dtype for weight in model.parameters() if weight.is_floating_point())
    name = str(next(kinds, torch.float32)).removeprefix("torch.")
    return "float32" if name == "bfloat16" else name


def _is_torch(example: Any) -> bool:
    values = example.values() if isinstance(example, Mapping) else (example,)
    return all(isinstance(value, torch.Tensor) for value in values)


def _traced(
    columns: Mapping[str, np.ndarray], arrangement: Arrangement, dtype: str | None
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments that ``forward`` is traced with: two rows at least, since one could mean any number."""
    if arrangement == "columns":
        columns = {arrays.MATRIX: np.column_stack([column[:_ROWS] for column in columns.values()])}
    tensors = {}
    for name, column in columns.items():
        rows = column[:_ROWS] if len(column) > 1 else np.repeat(column, 2, axis=0)
        if dtype and rows.dtype.kind == "f":
            rows = rows.astype(dtype)
        if rows.dtype.kind not in "biuf":
            raise InputError(f"{name} holds {rows.dtype} values; a tensor takes numbers")
        tensors[name] = torch.tensor(rows)
    return ((), tensors) if arrangement == "mapping" else (tuple(tensors.values()), {})


@contextlib.contextmanager
def _undisturbed(kind: str) -> Iterator[None]:
    """Trace on the CPU without a trace in the user's process."""
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        try:
            yield
        except InputError:
            raise
        except Exception as error:  # a forward may raise anything, and torch.export too
            reason = next((line for line in str(error).splitlines() if line.strip()), "")
            raise InputError(f"the {kind} cannot be exported: {type(error).__name__}: {reason[:300]}") from error


def _copy(model: Any) -> Any:
    """Return a copy on the CPU, in evaluation mode, that knows nothing of its training."""
    memo: dict[int, Any] = {}
    for tensor in (*model.parameters(), *model.buffers()):
        copied = tensor.detach().to("cpu", copy=True)
        is_weight = isinstance(tensor, torch.nn.Parameter)
        memo[id(tensor)] = torch.nn.Parameter(copied, tensor.requires_grad) if is_weight else copied
    for part in model.modules():
        for name in _NOT_THE_MODEL:
            memo[id(vars(part).get(name))] = None
    return copy.deepcopy(model, memo).eval()


def _exported(module: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    batch = {0: torch.export.Dim("batch")}
    shapes = dict.fromkeys(kwargs, batch) if kwargs else tuple(batch for _ in args)
    program = torch.export.export(module, args, dict(kwargs), dynamic_shapes=shapes, strict=False)
    # Neither places of this machine nor rows of the user's data belong into a package.
    for part in program.graph_module.modules():
        for node in part.graph.nodes if isinstance(part, torch.fx.GraphModule) else ():
            for told in _TOLD:
                node.meta.pop(told, None)
    program.example_inputs = None
    return program


def _asked(module: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return what a module answers, by name.

    Raises:
        InputError: it is no tensor, nor a list or mapping of tensors.
    """
    with torch.no_grad():
        answer = module(*args, **kwargs)
    if isinstance(answer, torch.Tensor):
        answer = {"predict": answer}
    elif isinstance(answer, list | tuple):
        answer = {f"output_{place}": part for place, part in enumerate(answer)}
    if not isinstance(answer, Mapping) or not all(isinstance(part, torch.Tensor) for part in answer.values()):
        raise InputError(f"forward answers a {type(answer).__name__}; expected a tensor, or a list or mapping of them")
    return {str(name): _array(part) for name, part in answer.items()}


def _array(tensor: Any) -> np.ndarray:
    tensor = tensor.detach().cpu()
    found: np.ndarray = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
    return found


def _compare(
    kind: str, exported: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], answers: Mapping[str, np.ndarray]
) -> None:
    """Look that the export answers as the module, for all rows and for one."""
    rows = len(args[0] if args else next(iter(kwargs.values())))
    one = _asked(exported, tuple(arg[:1] for arg in args), {name: value[:1] for name, value in kwargs.items()})
    all_rows = _asked(exported, args, kwargs)
    for name, expected in answers.items():
        if expected.ndim == 0 or len(expected) != rows or len(one[name]) != 1:
            raise InputError(f"{name} of the {kind} has shape {list(expected.shape)}; expected one entry a row")
        if not arrays.same(all_rows[name], expected):
            raise InputError(f"the exported {kind} answers the input example differently, so it cannot be saved")


def _bytes(program: Any) -> bytes:
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    return buffer.getvalue()
