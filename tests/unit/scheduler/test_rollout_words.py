"""What people read of versions and rollouts."""

from typing import Any

import msgspec
import pytest

from roundhouse_common.contracts.catalog import DeploymentDesired, Rollout, RolloutStrategy
from roundhouse_common.contracts.scheduler import Desired, Phase, Reason, VersionState
from roundhouse_scheduler.domain.deployment_state import status_of
from roundhouse_scheduler.domain.records import Deployment, Rejection, RejectionReason, Replica, VersionFailure
from roundhouse_scheduler.domain.rules import Rules
from roundhouse_scheduler.domain.version_state import version_states, version_status
from tests.support.scheduler import a_deployment, a_replica, a_version

NO_ROOM = Rejection(node_id="nod_1", reason=RejectionReason.MEMORY, detail="needs 8.0 GiB, 1.0 GiB free of 16.0 GiB")
WHY = VersionFailure(
    at=0.0, replica_id="rep_9", node_id="nod_1", reason=Reason.START_FAILED, detail="no such model file", is_fatal=True
)


def rolling(**changes: Any) -> Deployment:
    """Version 2 takes over from version 1."""
    base = {"replicas": 2, "rollout_began_at": 0.0, "rollout_progress_at": 0.0, "rollout_from_number": 1}
    return a_deployment(version=a_version(2), **(base | changes))


def old(name: str = "rep_1", **changes: Any) -> Replica:
    return a_replica(name, **({"phase": Phase.READY, "is_serving": True, "node_id": "nod_1"} | changes))


def new(name: str = "rep_2", **changes: Any) -> Replica:
    return a_replica(name, **({"version_id": "ver_2", "version_number": 2} | changes))


def ready(name: str, **changes: Any) -> Replica:
    return new(name, **({"phase": Phase.READY, "is_serving": True, "ready_since": 0.0, "node_id": "nod_1"} | changes))


def why(deployment: Deployment, *replicas: Replica, now: float = 100.0, failure: VersionFailure | None = None) -> str:
    status = status_of(deployment, replicas, Rules(), now=now, failure=failure)
    assert status.rollout is not None
    assert status.rollout.why == status.why
    return status.why


def test_it_says_how_many_and_what_it_waits_for() -> None:
    waiting = new("rep_3", phase=Phase.FETCHING, reason=Reason.FETCHING_MODEL, detail="40 %")
    assert why(rolling(), ready("rep_2"), waiting, old()) == (
        "1 of 2 replicas run version 2; waiting for 1 to become ready: fetching (fetching-model): 40 %"
    )


def test_a_ready_replica_that_must_stay_ready_for_a_while_is_waited_for() -> None:
    deployment = rolling(rollout=Rollout(min_ready_s=60.0))
    said = why(deployment, ready("rep_2", ready_since=90.0, reason=Reason.ENGINE_READY), old())
    assert said.startswith("0 of 2 replicas run version 2; waiting for 1 to become available: ready")


@pytest.mark.parametrize(
    ("rejections", "is_advised"),
    [((NO_ROOM,), True), ((msgspec.structs.replace(NO_ROOM, is_beyond=True),), False), ((), False)],
    ids=["the old one's node is full", "the old one's node is too small", "no node would ever do"],
)
def test_where_old_replicas_hold_the_room_it_says_what_to_do(
    rejections: tuple[Rejection, ...], *, is_advised: bool
) -> None:
    stuck = new(reason=Reason.NO_FEASIBLE_NODE, detail=NO_ROOM.detail, rejections=rejections)
    said = why(rolling(), stuck, old(), old("rep_0"))
    advice = "set rollout.max_unavailable to 1 to let one go first, or rollout.strategy to recreate"
    assert (advice in said) is is_advised
    assert NO_ROOM.detail in said


def test_recreate_says_what_it_waits_for() -> None:
    deployment = rolling(rollout=Rollout(strategy=RolloutStrategy.RECREATE))
    said = why(deployment, old(phase=Phase.DRAINING, desired=Desired.DRAIN))
    assert said == "0 of 2 replicas run version 2; waiting for 1 of other versions to stop (strategy recreate)"


def test_a_paused_rollout_says_so() -> None:
    assert why(rolling(is_paused=True), ready("rep_2"), old()) == (
        "1 of 2 replicas run version 2; the rollout is paused"
    )


def test_a_failed_rollout_shows_the_diagnosis_and_who_serves() -> None:
    deployment = rolling(failed_version_id="ver_2")
    status = status_of(deployment, [old(), old("rep_0")], Rules(), now=1.0, failure=WHY)
    assert (status.state, status.why) == (
        VersionState.RUNNING,
        "version 2 failed and is not rolled out further: no such model file; 2 older replicas go on serving",
    )
    alone = status_of(deployment, [], Rules(), now=1.0, failure=WHY)
    assert alone.state is VersionState.ERROR


def test_without_a_rollout_there_is_none() -> None:
    assert status_of(a_deployment(), [old()], Rules(), now=1.0).rollout is None


def test_a_sleeping_deployment_says_what_wakes_it() -> None:
    deployment = a_deployment(target_replicas=0, target_reason=Reason.IDLE, is_evictable=True)
    status = status_of(deployment, [], Rules(), now=1.0)
    assert (status.state, status.why) == (VersionState.RUNNING, "it sleeps (idle); the next request wakes it")


@pytest.mark.contract("B01")
@pytest.mark.contract("B04")
def test_of_all_versions_at_most_one_prepares_or_runs() -> None:
    failures = {"ver_1": None, "ver_2": None, "ver_3": WHY, "ver_4": None}
    states = version_states(rolling(), failures, [old(), ready("rep_2")], Rules())
    assert states == {
        "ver_1": VersionState.SHUTTING_DOWN,
        "ver_2": VersionState.RUNNING,
        "ver_3": VersionState.ERROR,
        "ver_4": VersionState.STOPPED,
    }


@pytest.mark.contract("B03")
@pytest.mark.parametrize(
    ("changes", "rows", "state"),
    [
        ({}, [new(phase=Phase.FAILED, is_spent=True, reason=Reason.FAILURE_BUDGET_SPENT)], VersionState.ERROR),
        ({"failed_version_id": "ver_2"}, [], VersionState.ERROR),
        ({"desired": DeploymentDesired.STOP}, [], VersionState.STOPPED),
        ({"desired": DeploymentDesired.STOP}, [ready("rep_2", desired=Desired.DRAIN)], VersionState.SHUTTING_DOWN),
        ({}, [ready("rep_2"), new("rep_3", phase=Phase.FAILED, is_spent=True)], VersionState.RUNNING),
        ({}, [new(phase=Phase.LOST)], VersionState.PREPARING),
        ({}, [ready("rep_2", gang_id="g", gang_rank=1)], VersionState.PREPARING),
    ],
)
def test_the_state_of_the_wanted_version(changes: dict[str, Any], rows: list[Replica], state: VersionState) -> None:
    status = version_status(rolling(**changes), "ver_2", WHY, rows, Rules())
    assert status.state is state
    assert status.why


def test_a_version_that_is_left_behind_says_what_becomes_of_it() -> None:
    serving = version_status(rolling(), "ver_1", None, [old()], Rules())
    assert serving.why == "1 of its replicas serve until the next version takes over"
    gone = version_status(rolling(), "ver_1", None, [], Rules())
    assert gone.why == "version 2 is the wanted one"
    failed = version_status(rolling(), "ver_3", WHY, [], Rules())
    assert failed.why == "no such model file"
