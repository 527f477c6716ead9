"""What a killed router had reserved of budgets on a real Redis: given back when its lease runs out, and not before."""

import pytest

from roundhouse_common.contracts.money import BudgetUnit
from roundhouse_common.runtime import SystemClock
from roundhouse_router.domain.limits import BudgetExhausted
from roundhouse_router.limits import Grant
from tests.support.budget_records import budget, reserver
from tests.support.eventually import eventually
from tests.support.limit_desks import Desk, desks
from tests.support.limit_records import demand
from tests.support.redis_server import RedisServer
from tests.support.usage import usage_record

pytestmark = pytest.mark.contract("F05")

AMOUNT, NEED = 300, 100


async def admitted(desk: Desk) -> Grant | None:
    try:
        return await desk.limiter.admit(demand(inputs=40, outputs=60))
    except BudgetExhausted:
        return None


async def test_what_a_killed_router_had_reserved_is_given_back_after_its_lease(redis_server: RedisServer) -> None:
    tokens = budget(unit=BudgetUnit.TOKENS, amount=AMOUNT)
    async with desks(redis_server, 2, lease_s=0.6, reserver=reserver([tokens], SystemClock())) as (dying, living):
        kept = await admitted(living)
        assert kept is not None
        spent = await admitted(dying)
        assert spent is not None
        spent.settle(40, 10, lambda: usage_record(tenant_id="ten_1", input_tokens=40, output_tokens=10))
        assert await admitted(dying) is not None
        await dying.die()
        assert await admitted(living) is None, "50 spent, 100 of the living and 100 of the dead leave 50"

        async def comes_free() -> bool:
            return await admitted(living) is not None

        await eventually(comes_free)
        assert await admitted(living) is None, "the living one's own reservations and what was spent are still held"
