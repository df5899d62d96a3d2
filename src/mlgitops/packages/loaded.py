"""A model in memory that answers in the terms of its signature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlgitops.errors import InputError
from mlgitops.packages.flavors.base import Opened
from mlgitops.packages.package import Package
from mlgitops.packages.signature import Signature

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A package whose digest was verified and whose model is in memory."""

    package: Package
    opened: Opened

    @property
    def signature(self) -> Signature:
        """The tensors that it takes and gives."""
        return self.package.signature

    @property
    def native(self) -> Any:
        """The framework's own object."""
        return self.opened.native

    @property
    def classes(self) -> Any:
        """A classifier's classes in the order of ``predict_proba``'s columns; None for other models."""
        return self.opened.classes

    def infer(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str] | None = None) -> dict[str, np.ndarray]:
        """Answer for a batch.

        Args:
            inputs: an array for every input of the signature, shaped as it says; numbers are
                cast where no meaning is lost (integers to floats, FP64 to FP32).
            outputs: the names that are wanted; None for all.

        Raises:
            InputError: inputs or outputs do not fit the signature; the message says how.
        """
        from mlgitops.packages import arrays

        signature = self.signature
        unknown = sorted(set(inputs) - {spec.name for spec in signature.inputs})
        missing = [spec.name for spec in signature.inputs if spec.name not in inputs]
        if unknown or missing:
            expected = ", ".join(spec.name for spec in signature.inputs)
            found = ", ".join(inputs) or "none"
            raise InputError(f"the model takes the inputs {expected}; found: {found}")
        known = [spec.name for spec in signature.outputs]
        wanted = known if outputs is None else list(outputs)
        if not set(wanted) <= set(known):
            strange = ", ".join(sorted(set(wanted) - set(known)))
            raise InputError(f"the model has no output {strange}; it has: {', '.join(known)}")
        fitting = {spec.name: arrays.to_spec(inputs[spec.name], spec) for spec in signature.inputs}
        if len({len(array) for array in fitting.values()}) > 1 and signature.batches:
            raise InputError("the inputs have different numbers of rows; every row needs a value in each")
        return self.opened.run(fitting, wanted)
