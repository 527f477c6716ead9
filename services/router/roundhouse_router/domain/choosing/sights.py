"""Which endpoints this router does not use as it uses the others, and why: for people."""

from collections.abc import Iterator

from roundhouse_common.contracts.routers import EndpointJudged, EndpointStanding
from roundhouse_router.domain.choosing.chooser import Chooser
from roundhouse_router.domain.health import Condition, Level
from roundhouse_router.domain.tables import RoutingTable

__all__ = ["judged"]

_BUSY = "busy"
_OTHER_ROUTER = "other-router"


def judged(chooser: Chooser, table: RoutingTable, now: float, *, most: int = 1000) -> tuple[EndpointJudged, ...]:
    """Return the endpoints of the table that are not fine, those that are passed over longest first."""
    found = sorted(_judged(chooser, table, now), key=lambda one: (one.standing.value, -one.left_s, one.endpoint_id))
    return tuple(found[:most])


def _judged(chooser: Chooser, table: RoutingTable, now: float) -> Iterator[EndpointJudged]:
    places = {
        endpoint.replica_id: deployment.deployment_id
        for deployment in table.deployments.values()
        for endpoint in deployment.endpoints
    }
    for standing in chooser.roster.standings:
        condition, endpoint_id = standing.condition, standing.endpoint_id
        deployment_id = places.get(endpoint_id, "")
        if not condition.is_troubled or not (deployment_id or endpoint_id in table.providers):
            continue
        state, until, reason = _standing(condition, now)
        if state is not None:
            yield EndpointJudged(
                endpoint_id=endpoint_id,
                deployment_id=deployment_id,
                standing=state,
                reason=reason,
                left_s=max(0.0, until - now),
                failures=condition.failures,
                ejections=condition.ejections,
            )


def _standing(condition: Condition, now: float) -> tuple[EndpointStanding | None, float, str]:
    """Return how it stands, until when, and by what; None for one that is fine by now."""
    if condition.is_ejected:
        until = max(condition.ejected_until, condition.busy_until)
        return EndpointStanding.EJECTED if now < until else EndpointStanding.PROBING, until, condition.why
    if condition.level(now) is Level.FINE:
        return None, 0.0, ""
    reasons = (
        (condition.resting_until, condition.why),
        (condition.busy_until, _BUSY),
        (condition.heard_until, _OTHER_ROUTER),
    )
    until, reason = max(reasons, key=lambda one: one[0])
    return EndpointStanding.RESTING, until, reason
