"""What REST shows of one replica: how often it failed, and where the members of a gang meet."""

import pytest

from roundhouse_common.contracts.scheduler import Phase
from roundhouse_scheduler.api.replica_views import ReplicaView
from roundhouse_scheduler.store.pages import Owner
from tests.support.scheduler import a_replica

CHAT = Owner("chat", "")


def test_a_crash_loop_shows_its_failures_and_when_it_goes_on() -> None:
    failing = a_replica(phase=Phase.FAILED, failures=3, retry_at=1010.0)
    shown = ReplicaView.of(failing, CHAT, None).model_dump(mode="json")
    assert (shown["failures"], shown["is_resting"], shown["retry_at"]) == (3, False, "1970-01-01T00:16:50.000Z")

    resting = ReplicaView.of(a_replica(phase=Phase.FAILED, failures=10, is_spent=True), CHAT, None)
    assert (resting.failures, resting.is_resting, resting.retry_at) == (10, True, None)


@pytest.mark.contract("A07")
def test_a_member_of_a_gang_shows_its_rendezvous() -> None:
    member = a_replica(
        gang_id="rep_0", gang_rank=1, gang_size=2, gang_epoch=3, gang_address="10.0.0.1", gang_port=29501
    )
    gang = ReplicaView.of(member, CHAT, None).gang
    assert gang is not None
    assert gang.model_dump() == {
        "id": "rep_0",
        "rank": 1,
        "size": 2,
        "epoch": 3,
        "address": "10.0.0.1",
        "port": 29501,
    }
    assert ReplicaView.of(a_replica(), CHAT, None).gang is None
