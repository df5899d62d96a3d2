"""Our Kubernetes kinds as values: frozen dataclasses, names, addresses, conditions, schemas.

``parse`` reads Kubernetes JSON, ``dump`` writes it. The CRDs under ``crds/`` are the
source of truth; a test holds every class to them.

A name is fetched from its module when it is first used: a class costs a millisecond, and
whoever asks for a stage needs few of a hundred.
"""

from mlgitops import lazy

TYPE_CHECKING = False  # a name that type checkers read as true, without importing typing
if TYPE_CHECKING:
    from mlgitops.api import addresses as addresses
    from mlgitops.api import conditions as conditions
    from mlgitops.api.deployment import DeploymentStatus as DeploymentStatus
    from mlgitops.api.deployment import ModelDeployment as ModelDeployment
    from mlgitops.api.deployment import ModelOverride as ModelOverride
    from mlgitops.api.kinds import API_VERSION as API_VERSION
    from mlgitops.api.kinds import GROUP as GROUP
    from mlgitops.api.kinds import KINDS as KINDS
    from mlgitops.api.kinds import VERSION as VERSION
    from mlgitops.api.kinds import Kind as Kind
    from mlgitops.api.kinds import Resource as Resource
    from mlgitops.api.kinds import kind_of as kind_of
    from mlgitops.api.meta import Condition as Condition
    from mlgitops.api.meta import Metadata as Metadata
    from mlgitops.api.meta import Reference as Reference
    from mlgitops.api.model import Model as Model
    from mlgitops.api.model import ModelStage as ModelStage
    from mlgitops.api.model import ModelVersion as ModelVersion
    from mlgitops.api.objects import dump as dump
    from mlgitops.api.objects import parse as parse
    from mlgitops.api.policy import PromotionPolicy as PromotionPolicy
    from mlgitops.api.runtime import ServingRuntime as ServingRuntime
    from mlgitops.api.schemas import crds as crds
    from mlgitops.api.schemas import schema as schema
    from mlgitops.api.source import RegistrySource as RegistrySource

_HOMES = {
    "API_VERSION": "kinds",
    "Condition": "meta",
    "DeploymentStatus": "deployment",
    "GROUP": "kinds",
    "KINDS": "kinds",
    "Kind": "kinds",
    "Metadata": "meta",
    "Model": "model",
    "ModelDeployment": "deployment",
    "ModelOverride": "deployment",
    "ModelStage": "model",
    "ModelVersion": "model",
    "PromotionPolicy": "policy",
    "Reference": "meta",
    "RegistrySource": "source",
    "Resource": "kinds",
    "ServingRuntime": "runtime",
    "VERSION": "kinds",
    "addresses": "addresses",
    "conditions": "conditions",
    "crds": "schemas",
    "dump": "objects",
    "kind_of": "kinds",
    "parse": "objects",
    "schema": "schemas",
}
__all__ = sorted(_HOMES)
__getattr__ = lazy.attributes(__name__, _HOMES)
