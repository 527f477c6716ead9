"""What routers tell of the demand for deployments: what autoscaling and waking go by."""

from roundhouse_common.contracts.base import Message

__all__ = ["DeploymentDemand", "DeploymentWanted", "RouterDemand"]


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
