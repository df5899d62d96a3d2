"""A model as a folder: saved with everything that serving it needs, named by its digest, loaded without trust.

The folder holds an ``MLmodel`` file that MLflow reads too, the model in a format that
cannot run code, the exact ``requirements.txt``, a few rows of ``input_example.json``
and the manifest whose digest is the package's. Nothing in it tells when or where it
was made, so saving one estimator twice gives one digest.
"""

from mlgitops.packages.formats import FORMATS, Format, Safety
from mlgitops.packages.loaded import LoadedModel
from mlgitops.packages.loading import load
from mlgitops.packages.package import Package, inspect
from mlgitops.packages.saving import save
from mlgitops.packages.signature import DATATYPES, Signature, TensorSpec

__all__ = [
    "DATATYPES",
    "FORMATS",
    "Format",
    "LoadedModel",
    "Package",
    "Safety",
    "Signature",
    "TensorSpec",
    "inspect",
    "load",
    "save",
]
