"""One usage record per admitted request: opened at admission, settled exactly once."""

from typing import Final

import msgspec

from roundhouse_common.contracts.usage import Operation, Outcome, UsageRecord, UsageSource
from roundhouse_common.runtime import UnixTime

__all__ = ["ROUTER_RESTARTED", "Admission", "settle_interrupted"]

ROUTER_RESTARTED: Final = "router_restarted"


class Admission(msgspec.Struct, frozen=True, array_like=True):
    """What is known of a request when it is admitted. It never leaves the router: if the router dies before there is an
    outcome, the record is made of it."""

    request_id: str
    sequence: int
    operation: Operation
    key_id: str
    user_id: str
    tenant_id: str
    model_requested: str
    deployment_id: str
    admitted_at: float
    is_stream: bool
    api: str = ""
    route_id: str = ""
    project_id: str = ""


def settle_interrupted(admission: Admission, router_id: str, now: UnixTime) -> UsageRecord:
    """Return the record of a request that was in flight when its router died. Nobody knows how far it got."""
    return UsageRecord(
        request_id=admission.request_id,
        router_id=router_id,
        sequence=admission.sequence,
        operation=admission.operation,
        key_id=admission.key_id,
        user_id=admission.user_id,
        tenant_id=admission.tenant_id,
        model_requested=admission.model_requested,
        model_served="",
        deployment_id=admission.deployment_id,
        replica_id="",
        node_id="",
        admitted_at=admission.admitted_at,
        ended_at=now,
        duration_ms=max(now - admission.admitted_at, 0.0) * 1000,
        is_stream=admission.is_stream,
        outcome=Outcome.ABORTED,
        http_status=0,
        error_code=ROUTER_RESTARTED,
        source=UsageSource.NONE,
        api=admission.api,
        route_id=admission.route_id,
        project_id=admission.project_id,
    )
