"""What a scheduler makes of routers' messages: sums, restarts, silence, and who waits."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from roundhouse_common.contracts.demand import DeploymentDemand, DeploymentWanted, RouterDemand
from roundhouse_common.runtime import UnixTime
from roundhouse_scheduler.domain.autoscale import NO_DEMAND, Demand
from roundhouse_scheduler.domain.plan import Advised
from roundhouse_scheduler.loops.demand import DemandHearing


@dataclass
class World:
    at: float = 1000.0
    is_connected: bool = True
    news: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.hearing = DemandHearing(clock=self, on_news=self.news.append, is_connected=lambda: self.is_connected)

    def now(self) -> UnixTime:
        return UnixTime(self.at)

    def monotonic(self) -> float:
        return self.at

    @property
    def demand(self) -> Demand:
        return self.hearing.get("dep_1", NO_DEMAND)

    async def tell(
        self,
        router_id: str = "rtr_1",
        *,
        sequence: int = 1,
        incarnation: str = "one",
        **counts: Any,  # Any: fields of DeploymentDemand
    ) -> None:
        fields = {"deployment_id": "dep_1", "in_flight": 0, "started_total": 0, **counts}
        said = (DeploymentDemand(**fields),) if counts else ()
        message = RouterDemand(
            router_id=router_id,
            incarnation=incarnation,
            sequence=sequence,
            at=self.at,
            interval_s=2.0,
            deployments=said,
        )
        await self.hearing.take_demand(message, (router_id,))

    async def want(self, held: int = 1, router_id: str = "rtr_1") -> None:
        message = DeploymentWanted(deployment_id="dep_1", router_id=router_id, held=held)
        await self.hearing.take_wanted(message, ("dep_1",))


@pytest.fixture
def world() -> World:
    return World()


async def test_routers_are_summed_up(world: World) -> None:
    await world.tell("rtr_1", in_flight=3, held=1)
    await world.tell("rtr_2", in_flight=2)
    assert (world.demand.in_flight, world.demand.held) == (5, 1)
    assert world.news == ["dep_1", "dep_1"]


async def test_the_newest_message_of_a_router_counts(world: World) -> None:
    await world.tell(sequence=2, in_flight=3)
    await world.tell(sequence=1, in_flight=9)
    assert world.demand.in_flight == 3
    await world.tell(sequence=3)
    assert (world.demand.in_flight, world.news) == (0, ["dep_1", "dep_1"])


async def test_a_router_is_forgotten_after_three_intervals_of_silence(world: World) -> None:
    await world.tell(in_flight=3)
    world.at += 6.0
    assert world.hearing.known_s() == 6.0
    assert world.demand.in_flight == 3
    world.at += 0.1
    assert world.hearing.known_s() == 0.0
    assert world.demand.in_flight == 0
    assert world.news[-1] == "dep_1"


async def test_hearing_has_no_gap_as_long_as_any_router_tells(world: World) -> None:
    for turn in range(5):
        await world.tell("rtr_1" if turn % 2 else "rtr_2", sequence=turn + 1)
        world.at += 4.0
    assert world.hearing.known_s() == 20.0
    world.is_connected = False
    assert world.hearing.known_s() == 0.0


async def test_the_mean_time_to_first_token_is_that_of_the_last_interval(world: World) -> None:
    await world.tell(sequence=1, ttft_count_total=2, ttft_sum_s_total=1.0)
    assert world.demand.ttft_s == 0.5
    await world.tell(sequence=2, ttft_count_total=4, ttft_sum_s_total=9.0)
    assert world.demand.ttft_s == 4.0
    await world.tell("rtr_2", sequence=1, ttft_count_total=2, ttft_sum_s_total=0.0)
    assert world.demand.ttft_s == 2.0
    await world.tell(sequence=3, ttft_count_total=4, ttft_sum_s_total=9.0)
    await world.tell("rtr_2", sequence=2, ttft_count_total=2, ttft_sum_s_total=0.0)
    assert world.demand.ttft_s is None


async def test_totals_of_before_it_was_heard_are_not_of_the_last_interval(world: World) -> None:
    await world.tell(sequence=50, ttft_count_total=1000, ttft_sum_s_total=5000.0)
    assert world.demand.ttft_s is None


async def test_a_router_that_restarts_begins_anew(world: World) -> None:
    await world.tell(sequence=9, in_flight=7, ttft_count_total=100, ttft_sum_s_total=10.0)
    await world.tell(sequence=1, incarnation="two", in_flight=1, ttft_count_total=1, ttft_sum_s_total=3.0)
    assert (world.demand.in_flight, world.demand.ttft_s) == (1, 3.0)


async def test_a_wish_counts_at_once_and_until_it_is_not_repeated(world: World) -> None:
    await world.want(held=2)
    assert (world.demand.held, world.news) == (2, ["dep_1"])
    world.at += 3.1
    assert world.demand.held == 0


async def test_what_a_router_tells_whole_replaces_its_wishes(world: World) -> None:
    await world.want(held=2)
    await world.tell()
    assert world.demand.held == 0


async def test_a_request_that_waits_on_is_not_a_new_one(world: World) -> None:
    await world.want()
    began = world.demand.started_at
    world.at += 1.0
    await world.tell(held=1, started_total=1)
    told = world.demand.started_at
    for _ in range(3):
        world.at += 1.0
        await world.want()
    assert (began, world.demand.started_at) == (1000.0, told)
    await world.want(held=2)
    assert world.demand.started_at == world.at


async def test_advice_is_remembered_where_it_changes(world: World) -> None:
    for replicas in (2, 2, 3, 3, 1):
        world.at += 10.0
        world.hearing.remember({"dep_1": Advised(replicas=replicas)}, at=world.at)
    assert [(item.at, item.replicas) for item in world.demand.history] == [(1010.0, 2), (1030.0, 3), (1050.0, 1)]


async def test_the_least_load_that_was_too_much_is_remembered_for_an_hour(world: World) -> None:
    for load in (8.0, 5.0, 6.0):
        world.hearing.remember({"dep_1": Advised(replicas=2, strained_load=load)}, at=world.at)
    assert world.demand.strained_load == 5.0
    world.at += 3601.0
    assert world.demand.strained_load is None


async def test_messages_under_another_subject_are_ignored(world: World) -> None:
    message = DeploymentWanted(deployment_id="dep_1", router_id="rtr_1", held=1)
    await world.hearing.take_wanted(message, ("dep_2",))
    assert world.demand == NO_DEMAND
