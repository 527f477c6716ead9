"""What the catalog asks all routers: how endpoints stand with each, and what of a tenant's answers each keeps."""

from roundhouse_common.contracts.base import Message, OpenEnum

__all__ = ["AnswersCleared", "ClearAnswers", "EndpointJudged", "EndpointStanding", "ReadRouter", "RouterRead"]


class EndpointStanding(OpenEnum):
    """How far down an endpoint stands among those that may be tried."""

    UNKNOWN = "unknown"
    EJECTED = "ejected"
    """Passed over until its time is over, unless nothing else is left."""
    PROBING = "probing"
    """Its time is over: one request at a time shows whether it is well."""
    RESTING = "resting"
    """Tried after those that are fine."""


class EndpointJudged(Message, frozen=True, kw_only=True):
    """One endpoint, or one provider, that a router does not use as it uses the others."""

    endpoint_id: str
    """Its replica id, or its provider id."""
    deployment_id: str = ""
    """Empty for a provider."""
    standing: EndpointStanding
    reason: str = ""
    """What it failed by last, as the router's metrics name it; `busy` for 429, `other-router` on another one's word."""
    left_s: float = 0.0
    """Until it is used again, or probed."""
    failures: int = 0
    """In a row, since it was ejected or answered."""
    ejections: int = 0
    """So many times, of those that are not forgotten yet: each is longer than the one before."""


class ReadRouter(Message, frozen=True, kw_only=True):
    """Ask every router how it is; the answers that it keeps are those of one tenant."""

    tenant_id: str


class RouterRead(Message, frozen=True, kw_only=True):
    """What one router says."""

    router_id: str
    region: str = ""
    endpoints: tuple[EndpointJudged, ...] = ()
    """Those that are not fine, at most 1,000."""
    answers: int = -1
    """Of the tenant, in the response cache; -1: the store is away."""
    answer_bytes: int = -1
    """-1: not known, as in a store that several routers share."""
    is_shared: bool = False
    """Whether routers share the store: then each tells the same answers."""


class ClearAnswers(Message, frozen=True, kw_only=True):
    """Forget a tenant's answers. Requests that are under way may still put theirs there."""

    tenant_id: str


class AnswersCleared(Message, frozen=True, kw_only=True):
    """What one router has forgotten."""

    router_id: str
    answers: int = 0
    is_shared: bool = False
    error: str = ""
