"""``.keras`` archives whose bytes follow from their content alone, and what is looked at before Keras opens one.

An archive holds JSON that names Keras' own layers, and weights as HDF5. Keras' safe mode
refuses Python code in it; here, before that, each class and function has to be one that Keras
itself publishes and that only computes, and the weights have to be plain arrays: HDF5 can also
refer to other files, unfold, and be filtered by libraries.

What only training needs is not kept: losses, metrics, and the state of the optimizer, which
with Adam is two thirds of the file.
"""

from __future__ import annotations

import io
import json
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import h5py
import keras

from mlgitops.errors import InputError
from mlgitops.packages.flavors import zips

_METADATA: Final = "metadata.json"
_CONFIG: Final = "config.json"
_WEIGHTS: Final = "model.weights.h5"
_LARGEST_CONFIG: Final = 64 << 20  # bytes; a model of a thousand layers has about one million

# Forms of values that Keras makes from nothing but themselves.
_VALUES: Final = {"__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__slice__", "__ellipsis__"}
_MODULES: Final = {
    "keras",
    "keras.layers",
    "keras.initializers",
    "keras.regularizers",
    "keras.constraints",
    "keras.dtype_policies",
    "keras.quantizers",
    "keras.random",
}
# Written by Keras under names that it does not publish.
_FUNCTIONAL: Final = ("keras.src.models.functional", "Functional")
_OPERATIONS: Final = "keras.src.ops."
_KINDS: Final = (
    keras.Operation,  # layers and models are operations
    keras.initializers.Initializer,
    keras.regularizers.Regularizer,
    keras.constraints.Constraint,
    keras.dtype_policies.DTypePolicy,
    keras.quantizers.Quantizer,
    keras.random.SeedGenerator,
)
# They hold code, or lead to some.
_REFUSED: Final = {"Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"}
_NO_FUNCTIONS: Final = {"deserialize", "get", "serialize"}


def normalise(path: Path) -> bytes:
    """Return what Keras wrote, without what only training needs and without when it was written.

    Raises:
        InputError: it holds what ``check`` refuses.
    """
    with zipfile.ZipFile(path) as archive:
        described = json.loads(archive.read(_CONFIG))
        made_by = json.loads(archive.read(_METADATA))["keras_version"]
        beside = set(archive.namelist()) - {_METADATA, _CONFIG, _WEIGHTS}
        if beside:
            raise InputError(
                f"the model keeps {', '.join(sorted(beside))} beside its weights; expected none: "
                "look words up before the model, and save what takes numbers"
            )
        weights = _plain_weights(io.BytesIO(archive.read(_WEIGHTS)))
    config = _numbered(described, {})
    _check_config(config, "the model")
    return zips.packed(
        {
            _METADATA: json.dumps({"keras_version": made_by}).encode(),
            _CONFIG: json.dumps(config, separators=(",", ":")).encode(),
            _WEIGHTS: weights,
        }
    )


def check(path: Path) -> None:
    """Look at an archive before Keras does.

    Raises:
        InputError: it is not as ``normalise`` makes it, names a class or function that is not on
            the list, or has weights that are no plain arrays of its own.
    """
    found = zips.sizes(path)
    if set(found) != {_METADATA, _CONFIG, _WEIGHTS}:
        raise InputError(f"{path} holds {', '.join(sorted(found)) or 'nothing'}; expected a model of Keras")
    if found[_CONFIG] > _LARGEST_CONFIG:
        raise InputError(f"{path}: {_CONFIG} has {found[_CONFIG]} bytes; expected at most {_LARGEST_CONFIG}")
    config, weights = zips.read(path, (_CONFIG, _WEIGHTS))
    try:
        _check_config(json.loads(config), str(path))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read: {type(error).__name__}: {error}") from error
    try:
        with h5py.File(io.BytesIO(weights), "r") as opened:
            _check_weights(opened, len(weights), str(path))
    except InputError:
        raise
    except Exception as error:  # h5py makes many kinds of errors of those of HDF5, and promises none
        raise InputError(f"{path}: {_WEIGHTS} cannot be read: {type(error).__name__}: {error}") from error


def _check_config(config: Any, where: str) -> None:
    for entry in _objects(config):
        if isinstance(entry.get("vocabulary"), str):
            raise InputError(f"{where} reads its vocabulary from a file; expected none")
        name, module = entry.get("class_name"), entry.get("module")
        if name is None or (module is None and isinstance(name, str) and name in _VALUES):
            continue
        is_known = _is_class
        if name == "function":
            name, is_known = entry.get("config"), _is_function
        plain = isinstance(name, str) and isinstance(module, str) and entry.get("registered_name") in (None, name)
        if not plain or not is_known(str(module), str(name)):
            raise InputError(
                f"{where} uses {str(module)[:80]!a}.{str(name)[:80]!a}, which is code or may lead to it; a package of "
                "Keras holds Keras' own layers only, as Sequential and functional models do"
            )


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, dict):
        yield value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _objects(child)


def _is_class(module: str, name: str) -> bool:
    if not (module in _MODULES or (module, name) == _FUNCTIONAL or module.startswith(_OPERATIONS)):
        return False
    # Only what is imported already: nothing is imported because a package says so.
    found = vars(sys.modules.get(module, sys)).get(name)
    return isinstance(found, type) and issubclass(found, _KINDS) and found.__name__ not in _REFUSED


def _is_function(module: str, name: str) -> bool:
    if module not in ("builtins", "keras.activations") or name in _NO_FUNCTIONS:
        return False
    found: Callable[..., Any] | None = vars(keras.activations).get(name)
    return callable(found) and not isinstance(found, type)


def _numbered(value: Any, numbers: dict[int, int]) -> Any:
    """Return a config without the compilation, and with small numbers for memory addresses of shared objects."""
    if isinstance(value, list):
        return [_numbered(child, numbers) for child in value]
    if not isinstance(value, dict):
        return value
    if "class_name" not in value:
        return {key: _numbered(child, numbers) for key, child in value.items()}
    kept = {key: _numbered(child, numbers) for key, child in value.items() if key != "compile_config"}
    if isinstance(value.get("shared_object_id"), int):
        kept["shared_object_id"] = numbers.setdefault(value["shared_object_id"], len(numbers) + 1)
    return kept


def _plain_weights(data: io.BytesIO) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(data, "r") as source, h5py.File(buffer, "w") as target:
        _copy(source, target, {"optimizer"})
    return buffer.getvalue()


def _copy(source: Any, target: Any, left_out: set[str]) -> None:
    for name, value in source.attrs.items():
        target.attrs[name] = value
    for name, child in source.items():
        if name in left_out:
            continue
        if isinstance(child, h5py.Group):
            _copy(child, target.create_group(name), set())
        else:
            made = target.create_dataset(name, data=child[()])
            for key, value in child.attrs.items():
                made.attrs[key] = value


def _check_weights(root: Any, size: int, where: str) -> None:
    seen: set[Any] = set()
    left = size
    groups = [root]
    while groups:
        group = groups.pop()
        for name in group:
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise InputError(f"{where}: weights {name!a} lie elsewhere; expected them in the file itself")
            child = group[name]
            address = h5py.h5o.get_info(child.id).addr
            if address in seen:
                raise InputError(f"{where}: weights {name!a} are at two places")
            seen.add(address)
            if isinstance(child, h5py.Group):
                groups.append(child)
                continue
            left -= _plain_size(child, f"{where}: weights {name!a}")
            if left < 0:
                raise InputError(f"{where} has more weights than bytes")


def _plain_size(child: Any, where: str) -> int:
    """Return how many bytes a dataset takes."""
    plain = (
        isinstance(child, h5py.Dataset)
        and child.shape is not None
        and child.dtype.kind in "biufcV"
        and child.dtype.names is None
        and child.dtype.subdtype is None
        and not child.is_virtual
        and child.external is None
        and child.id.get_create_plist().get_nfilters() == 0
    )
    if not plain:
        raise InputError(f"{where} are no plain array of numbers")
    return int(child.size * child.dtype.itemsize)
