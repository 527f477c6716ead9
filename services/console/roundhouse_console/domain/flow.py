"""What flows: figures of endpoints, and what became of requests, from usage and the replicas' own loads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

__all__ = ["REUSES", "STANDINGS", "Endpoint", "endpoints_of", "reason_of", "reused_share"]

Found = Mapping[str, Any]
"""An object of a service's answer. Any: the services own its shape."""
Tone = Literal["good", "busy", "warn", "bad", "quiet"]

REUSES: Final[Mapping[str, str]] = {
    "none": "an engine's own work",
    "cached": "from the cache",
    "coalesced": "shared with an equal request",
    "replayed": "given again by its Idempotency-Key",
}
"""How an answer came about, in words."""
STANDINGS: Final[Mapping[str, tuple[str, Tone]]] = {
    "ejected": ("Ejected", "bad"),
    "probing": ("On probation", "warn"),
    "resting": ("Rests", "warn"),
}
"""How an endpoint that is not used as the others are stands, in words, and how that looks."""
_REASONS: Final[Mapping[str, str]] = {
    "busy": "It had too many requests",
    "success-rate": "It fails more often than the others",
    "other-router": "Another router has ejected it",
    "connect": "No connection",
    "silence": "No answer in time",
    "stream_error": "An error in its stream",
    "empty": "It ended without a word",
    "hangup": "It hung up without an answer",
    "broken": "It broke off",
}
_STATUS: Final = "status-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A ready replica with what it does now and did lately. `in_flight` and `waiting`: None while not known."""

    id: str
    deployment: str
    deployment_id: str
    node_id: str
    in_flight: int | None
    waiting: int | None
    requests: int
    failed: int
    latency_ms: float | None


def endpoints_of(replicas: Sequence[Found], usage: Found) -> list[Endpoint]:
    """Return the ready replicas, the busiest first."""
    figures = {one["key"]: one for one in usage["items"]}
    found = [_endpoint(one, figures.get(one["id"])) for one in replicas if one["phase"] == "ready"]
    return sorted(found, key=lambda one: (-(one.in_flight or 0), -one.requests, one.deployment))


def _endpoint(replica: Found, figures: Found | None) -> Endpoint:
    load = replica["load"] or {}
    return Endpoint(
        id=replica["id"],
        deployment=replica["deployment_name"],
        deployment_id=replica["deployment_id"],
        node_id=replica["node_id"],
        in_flight=load.get("running"),
        waiting=load.get("waiting"),
        requests=figures["requests"] if figures else 0,
        failed=figures["failed"] if figures else 0,
        latency_ms=figures["latency_ms"]["p95"] if figures else None,
    )


def reused_share(usage: Found) -> float | None:
    """Return the share of requests that no engine worked for; None where there were no requests."""
    total = sum(one["requests"] for one in usage["items"])
    reused = sum(one["requests"] for one in usage["items"] if one["key"] in REUSES and one["key"] != "none")
    return reused / total if total else None


def reason_of(reason: str) -> tuple[str, str]:
    """Return why an endpoint is passed over, as words to be translated and what is to be filled in for `{what}`."""
    if reason.startswith(_STATUS):
        return "It answered with {what}", reason.removeprefix(_STATUS)
    return _REASONS.get(reason, "It failed: {what}"), reason or "–"
