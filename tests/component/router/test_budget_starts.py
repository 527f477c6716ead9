"""What a router knows of budgets when it starts: from its snapshot, from metering, or nothing yet."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from roundhouse_common.contracts.money import BudgetUnit
from roundhouse_router.domain.limits import UnheardMode
from tests.support.budget_records import budget
from tests.support.eventually import eventually
from tests.support.running_router import TENANT, Fleet, RunningRouter
from tests.support.scripted_engine import Engine, answers, completion

pytestmark = pytest.mark.contract("F05")

UNHEARD = "roundhouse_router_budgets_unheard_requests_total"
OUTPUTS = 10
BODY = {"max_tokens": OUTPUTS}


def snapshot(tmp_path: Path) -> dict[str, Any]:  # Any: JSON
    path = tmp_path / "snapshot.json"
    return dict(json.loads(path.read_bytes())) if path.exists() else {}


def has_budget(tmp_path: Path, generation: int) -> Callable[[], bool]:
    return lambda: snapshot(tmp_path).get("budgets", {}).get("bud_1", {}).get("generation") == generation


async def asked(router: RunningRouter) -> tuple[int, str]:
    """Return the status and the error code of one request."""
    async with router.post(BODY) as answer:
        return answer.status, (await answer.json()).get("error", {}).get("code", "")


async def test_a_router_that_starts_with_everything_else_down_holds_the_budgets_that_it_knew(
    tmp_path: Path, fleet: Fleet, engine: Engine
) -> None:
    engine.script = answers(200, completion("Hi", prompt=5, output=5))
    tokens = budget(tenant_id=TENANT, scope_id=TENANT, unit=BudgetUnit.TOKENS, amount=1000, spent=985)
    await fleet.put_budget(tokens)
    async with RunningRouter(tmp_path, fleet) as router:
        await fleet.serve(engine)
        await router.ready()
        await eventually(has_budget(tmp_path, 1))
        assert router.metric("roundhouse_router_budgets_heard") == 1
    fleet.broker.stop()
    async with RunningRouter(tmp_path, fleet) as router:
        await router.ready()
        assert await asked(router) == (429, "insufficient_quota")
        assert router.metric("roundhouse_router_budgets_heard") == 1


async def test_what_was_spent_and_nobody_else_heard_of_outlives_a_restart(
    tmp_path: Path, fleet: Fleet, engine: Engine
) -> None:
    engine.script = answers(200, completion("Hi", prompt=30, output=50))
    await fleet.put_budget(budget(tenant_id=TENANT, scope_id=TENANT, unit=BudgetUnit.TOKENS, amount=100))
    async with RunningRouter(tmp_path, fleet, snapshot_spent_s=0.02) as router:
        await fleet.serve(engine)
        await router.ready()
        await eventually(has_budget(tmp_path, 1))
        fleet.broker.stop()  # so metering, whose figure stays 0, never hears of it
        assert await asked(router) == (200, "")
        await eventually(lambda: [one[3] for one in snapshot(tmp_path)["spent"].values()] == [80])
    async with RunningRouter(tmp_path, fleet) as router:
        await router.ready()
        assert await asked(router) == (429, "insufficient_quota")


@pytest.mark.parametrize(
    ("mode", "expected"), [(UnheardMode.ADMIT, (200, "")), (UnheardMode.REFUSE, (503, "budgets_unheard"))]
)
async def test_a_new_router_without_a_word_on_budgets_does_what_is_declared_until_it_hears(
    tmp_path: Path, engine: Engine, mode: UnheardMode, expected: tuple[int, str]
) -> None:
    async with Fleet(without_metering=True) as fleet:
        async with RunningRouter(tmp_path, fleet, budgets_unheard=mode) as router:
            await fleet.serve(engine)
            await router.ready()
            assert await asked(router) == expected
            assert router.metric(UNHEARD) == 1
            assert router.metric("roundhouse_router_budgets_heard") == 0
        assert snapshot(tmp_path)["has_budgets"] is False, "a restart makes it no wiser"
        async with RunningRouter(tmp_path, fleet, budgets_unheard=mode) as router:
            await router.ready()
            assert await asked(router) == expected
            await fleet.start_metering()
            async with asyncio.timeout(30):
                while not router.metric("roundhouse_router_budgets_heard"):
                    await asyncio.sleep(0)
            assert await asked(router) == (200, "")
            assert router.metric(UNHEARD) == 1
