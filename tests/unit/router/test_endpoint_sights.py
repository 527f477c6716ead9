"""What a router says of endpoints that it passes over: who, why, and until when."""

import pytest

from roundhouse_common.contracts.routers import EndpointJudged, EndpointStanding
from roundhouse_router.domain.choosing.candidate import Verdict
from roundhouse_router.domain.choosing.sights import judged
from roundhouse_router.domain.health import HealthOptions
from roundhouse_router.domain.reuse_key import tenant_part
from roundhouse_router.reuse.memory import MemoryStore
from tests.support.choosing import World, endpoints
from tests.support.hand_clock import HandClock

pytestmark = pytest.mark.contract("D19")
HEALTH = HealthOptions(consecutive_failures=2, base_ejection_s=10.0, rest_s=2.0, probes=1)


def told(world: World) -> dict[str, EndpointJudged]:
    return {one.endpoint_id: one for one in judged(world.chooser, world.table, world.now)}


def fail(world: World, endpoint_id: str, why: str) -> None:
    """Send requests until one goes to this endpoint, and let that one fail."""
    while True:
        candidate = world.send()
        if candidate.endpoint_id == endpoint_id:
            world.end(candidate, Verdict.FAILED, why=why)
            return
        world.end(candidate)


def test_fine_endpoints_are_not_told() -> None:
    world = World(endpoints(3))
    world.ask()
    assert told(world) == {}


def test_a_failure_rests_an_endpoint_and_the_next_ejects_it() -> None:
    world = World(endpoints(4), health=HEALTH)
    fail(world, "rep_0", "connect")
    one = told(world)["rep_0"]
    assert (one.standing, one.reason, one.failures, one.ejections) == (EndpointStanding.RESTING, "connect", 1, 0)
    assert one.left_s == pytest.approx(2.0)
    assert one.deployment_id == "dep_1"

    world.now += 3.0
    fail(world, "rep_0", "status-503")
    one = told(world)["rep_0"]
    assert (one.standing, one.reason, one.ejections) == (EndpointStanding.EJECTED, "status-503", 1)
    assert one.left_s == pytest.approx(10.0)

    world.now += 11.0
    one = told(world)["rep_0"]
    assert (one.standing, one.left_s) == (EndpointStanding.PROBING, 0.0)


def test_one_with_too_many_requests_is_busy_and_one_ejected_elsewhere_is_said_so() -> None:
    world = World(endpoints(3), health=HEALTH)
    candidate = world.send()
    world.end(candidate, Verdict.BUSY, retry_after_s=7.0)
    one = told(world)[candidate.endpoint_id]
    assert (one.standing, one.reason) == (EndpointStanding.RESTING, "busy")
    assert one.left_s == pytest.approx(7.0)

    other = next(one for one in world.chooser.roster.standings if one.endpoint_id != candidate.endpoint_id)
    other.condition.hear(world.now + 5.0)
    assert told(world)[other.endpoint_id].reason == "other-router"


def test_what_is_in_no_table_any_more_is_not_told() -> None:
    world = World(endpoints(4), health=HEALTH)
    fail(world, "rep_3", "connect")
    world.serve(endpoints(3))
    assert told(world) == {}


def test_what_is_kept_of_a_tenant_is_counted_and_forgotten_alone() -> None:
    store: MemoryStore[str] = MemoryStore(HandClock(), max_bytes=1000)
    one, other = tenant_part("ten_1"), tenant_part("ten_2")
    assert one != other
    for key, size in ((one + b"a" * 24, 10), (one + b"b" * 24, 20), (other + b"a" * 24, 5)):
        store.put(key, "answer", size_bytes=size, ttl_s=60)
    assert store.under(one) == (2, 30)
    assert store.drop_under(one) == 2
    assert (store.under(one), store.under(other), store.size_bytes) == ((0, 0), (1, 5), 5)
