"""One Kubernetes client: log in, read, write, watch, and keep a cache that stays true.

    credentials = kube.login()
    async with kube.Session(credentials) as session:
        async with kube.Reflector(session, kube.PODS, "shop") as pods:
            await pods.wait_synced()
            pods.cache["shop", "iris-0"]
            await session.apply(raw, field_manager="mlgitops")

It knows no kind of ours: those are found by discovery or given as a ``Resource``.
"""

from mlgitops.kube.credentials import Credentials, login
from mlgitops.kube.errors import (
    AlreadyExists,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    KubeError,
    NotFound,
    Silent,
    TooManyRequests,
    Unauthorized,
    Unavailable,
)
from mlgitops.kube.fields import differs, in_our_words, owns
from mlgitops.kube.reflector import Cache, Change, Reflector
from mlgitops.kube.resources import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    CONFIG_MAPS,
    CONTROLLER_REVISIONS,
    CUSTOM_RESOURCE_DEFINITIONS,
    DEPLOYMENTS,
    EVENTS,
    GATEWAY_CLASSES,
    GATEWAYS,
    HORIZONTAL_POD_AUTOSCALERS,
    HTTP_ROUTES,
    JOBS,
    LEASES,
    NAMESPACES,
    NETWORK_POLICIES,
    NODES,
    POD_DISRUPTION_BUDGETS,
    PODS,
    REPLICA_SETS,
    ROLE_BINDINGS,
    ROLES,
    SCALED_OBJECTS,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICE_MONITORS,
    SERVICES,
    Key,
    Raw,
    Resource,
    key_of,
    version_of,
)
from mlgitops.kube.session import Listing, Session

__all__ = [
    "CLUSTER_ROLES",
    "CLUSTER_ROLE_BINDINGS",
    "CONFIG_MAPS",
    "CONTROLLER_REVISIONS",
    "CUSTOM_RESOURCE_DEFINITIONS",
    "DEPLOYMENTS",
    "EVENTS",
    "GATEWAYS",
    "GATEWAY_CLASSES",
    "HORIZONTAL_POD_AUTOSCALERS",
    "HTTP_ROUTES",
    "JOBS",
    "LEASES",
    "NAMESPACES",
    "NETWORK_POLICIES",
    "NODES",
    "PODS",
    "POD_DISRUPTION_BUDGETS",
    "REPLICA_SETS",
    "ROLES",
    "ROLE_BINDINGS",
    "SCALED_OBJECTS",
    "SECRETS",
    "SERVICES",
    "SERVICE_ACCOUNTS",
    "SERVICE_MONITORS",
    "AlreadyExists",
    "Cache",
    "Change",
    "Conflict",
    "Credentials",
    "Forbidden",
    "Gone",
    "Invalid",
    "Key",
    "KubeError",
    "Listing",
    "NotFound",
    "Raw",
    "Reflector",
    "Resource",
    "Session",
    "Silent",
    "TooManyRequests",
    "Unauthorized",
    "Unavailable",
    "differs",
    "in_our_words",
    "key_of",
    "login",
    "owns",
    "version_of",
]
