"""Looking only at what something happened to decides what looking at everything would."""

import pytest

from roundhouse_scheduler.core import SchedulerCore
from roundhouse_scheduler.loops.hearing import Hearing
from roundhouse_scheduler.loops.timers import Timers
from tests.simulation.chaos import chaos
from tests.simulation.seeds import seeds
from tests.simulation.simulate import SimulationFailed, simulate
from tests.simulation.whole_look import WholeLook
from tests.simulation.world import World


def missed_in(seed: int) -> tuple[int, list[str]]:
    """Run a seed of the random faults and return how many looks were compared, and what they had missed."""
    looks: list[WholeLook] = []

    async def watched(world: World) -> None:
        def watch(core: SchedulerCore) -> None:
            looks.append(WholeLook(world.clock, world.rules, due_at=lambda: core.planner.due_at))
            core.observers.append(looks[-1])

        world.when_started.append(watch)
        await world.kill_scheduler()
        await world.start_scheduler()
        await chaos(world)

    try:
        simulate(watched, seed)
    except SimulationFailed:
        if not any(look.missed for look in looks):
            raise
    return sum(look.compared for look in looks), [line for look in looks for line in look.missed]


@pytest.mark.parametrize("seed", seeds(3, most=6, first=100))
def test_when_a_narrow_look_finds_nothing_a_whole_one_finds_nothing_either(seed: int) -> None:
    compared, missed = missed_in(seed)
    assert missed == []
    assert compared > 20


def test_a_look_that_forgets_its_timers_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Timers, "set", lambda self, later: None)
    assert any(missed_in(seed)[1] for seed in range(100, 106))


def test_a_look_that_is_not_told_of_reports_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Hearing, "take_news", lambda self: frozenset())
    assert any(missed_in(seed)[1] for seed in range(100, 106))
