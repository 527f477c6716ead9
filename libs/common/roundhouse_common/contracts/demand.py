"""What routers tell of the demand for deployments: what autoscaling and waking go by."""

from roundhouse_common.contracts.base import Message

__all__ = ["DeploymentDemand", "DeploymentWanted", "EndpointSeen", "PrefixSeen", "RouterDemand", "RouterState"]


class DeploymentDemand(Message, frozen=True, kw_only=True):
    """One deployment as one router sees it."""

    deployment_id: str
    in_flight: int
    """Requests sent to engines and not answered to the end, now."""
    held: int = 0
    """Requests that wait for a ready replica, now."""
    started_total: int
    """Requests admitted since the router started."""
    ttft_count_total: int = 0
    ttft_sum_s_total: float = 0.0
    """Times to first token since the router started: a mean over an interval follows from two messages."""


class RouterDemand(Message, frozen=True, kw_only=True):
    """Everything one router has to do, whole. Signal, every `interval_s`."""

    router_id: str
    incarnation: str
    """Random per router process: totals begin anew with it."""
    sequence: int
    at: float
    interval_s: float
    deployments: tuple[DeploymentDemand, ...]
    """Those with requests in flight, held or started since the last message."""


class DeploymentWanted(Message, frozen=True, kw_only=True):
    """A request came for a deployment without a ready replica. Signal, repeated while one is held."""

    deployment_id: str
    router_id: str
    held: int


class EndpointSeen(Message, frozen=True, kw_only=True):
    """One endpoint as one router sees it."""

    replica_id: str
    in_flight: int = 0
    """Requests of this router that it has now."""
    ejected_s: float = 0.0
    """For how much longer this router passes it over; 0: it does not."""


class PrefixSeen(Message, frozen=True, kw_only=True):
    """A beginning of a prompt that an endpoint has in its cache, by this router's doing."""

    deployment_id: str
    prefix: int
    """A 64-bit hash: equal on all routers."""
    replica_id: str


class RouterState(Message, frozen=True, kw_only=True):
    """What one router tells the others. Signal, every `interval_s`; who is silent for three of them is gone."""

    router_id: str
    incarnation: str
    sequence: int
    interval_s: float
    region: str = ""
    endpoints: tuple[EndpointSeen, ...] = ()
    """Those that are busy or passed over, whole."""
    prefixes: tuple[PrefixSeen, ...] = ()
    """New since the last message."""
