"""Preparing, Running, Shutting Down, Stopped, Error: derived, with a sentence why."""

from typing import Any

import pytest

from roundhouse_common.contracts.catalog import DeploymentDesired
from roundhouse_common.contracts.scheduler import Desired, Phase, Reason, VersionState
from roundhouse_scheduler.domain.deployment_state import status_of
from roundhouse_scheduler.domain.rules import Rules
from tests.support.scheduler import a_deployment, a_replica

READY: dict[str, Any] = {"phase": Phase.READY, "is_serving": True}
STARTING: dict[str, Any] = {"phase": Phase.STARTING, "reason": Reason.ENGINE_STARTING}
FAILING: dict[str, Any] = {
    "phase": Phase.FAILED,
    "reason": Reason.RESTART_BACKOFF,
    "failures": 3,
    "detail": "no such model file",
}
LATE: dict[str, Any] = {"phase": Phase.UNKNOWN, "reason": Reason.NODE_LATE, "is_serving": True}
LOST: dict[str, Any] = {"phase": Phase.LOST}
DRAINING: dict[str, Any] = {"phase": Phase.DRAINING, "desired": Desired.DRAIN}


@pytest.mark.contract("B01")
@pytest.mark.parametrize(
    ("desired", "wanted", "replicas", "state"),
    [
        (DeploymentDesired.RUN, 1, [], VersionState.PREPARING),
        (DeploymentDesired.RUN, 1, [STARTING], VersionState.PREPARING),
        (DeploymentDesired.RUN, 1, [READY], VersionState.RUNNING),
        (DeploymentDesired.RUN, 2, [READY, STARTING], VersionState.RUNNING),
        (DeploymentDesired.RUN, 2, [READY, FAILING], VersionState.RUNNING),
        (DeploymentDesired.RUN, 1, [LATE], VersionState.RUNNING),
        (DeploymentDesired.RUN, 1, [LOST, STARTING], VersionState.PREPARING),
        (DeploymentDesired.RUN, 1, [FAILING], VersionState.ERROR),
        (DeploymentDesired.RUN, 1, [DRAINING], VersionState.PREPARING),
        (DeploymentDesired.RUN, 0, [], VersionState.RUNNING),
        (DeploymentDesired.STOP, 1, [DRAINING], VersionState.SHUTTING_DOWN),
        (DeploymentDesired.STOP, 1, [], VersionState.STOPPED),
        (DeploymentDesired.STOP, 1, [LOST], VersionState.STOPPED),
        (DeploymentDesired.DELETE, 1, [], VersionState.STOPPED),
    ],
)
def test_the_state_follows_from_the_replicas(
    desired: DeploymentDesired, wanted: int, replicas: list[dict[str, Any]], state: VersionState
) -> None:
    rows = [a_replica(f"rep_{i}", **changes) for i, changes in enumerate(replicas)]
    status = status_of(a_deployment(desired=desired, replicas=wanted), rows, Rules(), now=0.0)
    assert status.state is state
    assert status.why


@pytest.mark.contract("B02")
def test_an_error_says_what_is_wrong() -> None:
    status = status_of(a_deployment(), [a_replica(**FAILING)], Rules(), now=0.0)
    assert "no such model file" in status.why


def test_a_partly_ready_deployment_says_what_it_waits_for() -> None:
    rows = [a_replica("rep_1", **READY), a_replica("rep_2", phase=Phase.PENDING, reason=Reason.NO_FEASIBLE_NODE)]
    status = status_of(a_deployment(replicas=2), rows, Rules(), now=0.0)
    assert status.why == "1 of 2 replicas are ready; pending (no-feasible-node)"
