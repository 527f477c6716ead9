"""Hard budgets in one process: whose they are, what they reserve, and what is left when requests have ended."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_common.contracts.money import NANO, BudgetPeriod, BudgetRecord, BudgetScope, BudgetUnit, Rates
from roundhouse_common.contracts.routing import RouteTarget
from roundhouse_common.contracts.usage import Operation, Reuse
from roundhouse_router.domain.limits import (
    BudgetExhausted,
    BudgetTable,
    Demand,
    LimitExceeded,
    ModelUnpriced,
    UnpricedMode,
)
from roundhouse_router.domain.limits.budgets import BudgetCounter
from roundhouse_router.limits import ProcessLimiter
from roundhouse_router.limits.api import UNLIMITED
from tests.support.budget_records import budget, reserver
from tests.support.hand_clock import HandClock
from tests.support.limit_records import limit, table_of
from tests.support.prices import price
from tests.support.usage import usage_record

pytestmark = pytest.mark.contract("F05")

DAY = 86_400
PRICE = price(rates=Rates(input_per_million=NANO, output_per_million=2 * NANO))


def demand(inputs: int = 10, outputs: int | None = 5, project: str = "", key: str = "key_1") -> Demand:
    target = RouteTarget(deployment_id="", provider_id="prv_1", model="gpt")
    return Demand("ten_1", "usr_1", key, "rt_1", inputs, outputs, project, Operation.CHAT, (target,))


def limiter(*budgets: BudgetRecord, clock: HandClock | None = None, **options: UnpricedMode) -> ProcessLimiter:
    clock = clock or HandClock()
    return ProcessLimiter(lambda: table_of(), clock, reserver=reserver(list(budgets), clock, [PRICE], **options))


def tokens(budget_id: str = "bud_1", amount: int = 100, **changes: object) -> BudgetRecord:
    return budget(budget_id, amount=amount, unit=BudgetUnit.TOKENS, **changes)


@pytest.mark.parametrize(
    ("scope", "scope_id", "is_held"),
    [
        (BudgetScope.TENANT, "ten_1", True),
        (BudgetScope.PROJECT, "prj_1", True),
        (BudgetScope.USER, "usr_1", True),
        (BudgetScope.KEY, "key_1", True),
        (BudgetScope.TENANT, "ten_2", False),
        (BudgetScope.PROJECT, "prj_2", False),
        (BudgetScope.KEY, "usr_1", False),
        (BudgetScope.UNKNOWN, "ten_1", False),
    ],
)
def test_a_budget_holds_those_whose_it_is(scope: BudgetScope, scope_id: str, is_held: bool) -> None:
    held = limiter(tokens(scope=scope, scope_id=scope_id, amount=0))
    if is_held:
        with pytest.raises(BudgetExhausted):
            held.decide(demand(project="prj_1"))
    else:
        assert held.decide(demand(project="prj_1")) is UNLIMITED


@pytest.mark.parametrize("changes", [{"is_hard": False}, {"is_deleted": True}])
def test_soft_and_deleted_budgets_hold_nobody(changes: dict[str, Any]) -> None:
    assert BudgetTable([tokens(amount=0, **changes)]).is_empty


def test_requests_without_a_budget_reserve_nothing() -> None:
    assert limiter().decide(demand()) is UNLIMITED


def test_what_was_not_used_of_a_reservation_comes_back_and_the_rest_stays() -> None:
    held = limiter(tokens(amount=100))
    grant = held.decide(demand(inputs=60, outputs=40))
    with pytest.raises(BudgetExhausted):
        held.decide(demand(inputs=1, outputs=0))
    grant.settle(60, 5, lambda: usage_record(input_tokens=60, output_tokens=5))
    held.decide(demand(inputs=35, outputs=0))
    with pytest.raises(BudgetExhausted):
        held.decide(demand(inputs=1, outputs=0))


def test_money_is_reserved_by_the_price_and_settled_by_the_cost() -> None:
    held = limiter(budget(amount=100 * NANO // 1_000_000))
    grant = held.decide(demand(inputs=60, outputs=20))
    record = usage_record(tenant_id="ten_1", input_tokens=60, output_tokens=10, deployment_id="", provider_id="prv_1")
    grant.settle(60, 10, lambda: record)
    held.decide(demand(inputs=20, outputs=0))
    with pytest.raises(BudgetExhausted):
        held.decide(demand(inputs=1, outputs=0))


def test_every_image_that_is_asked_for_is_reserved() -> None:
    clock = HandClock()
    per_image = price(rates=Rates(per_image=NANO))
    held = ProcessLimiter(lambda: table_of(), clock, reserver=reserver([budget(amount=10 * NANO)], clock, [per_image]))
    target = RouteTarget(deployment_id="", provider_id="prv_1", model="gpt")
    seven = Demand("ten_1", "usr_1", "key_1", "rt_1", 1, 0, "", Operation.IMAGE, (target,), 7)
    held.decide(seven)
    with pytest.raises(BudgetExhausted):
        held.decide(seven)


def test_a_request_that_may_cost_more_than_the_whole_budget_takes_all_of_it() -> None:
    held = limiter(tokens(amount=100))
    held.decide(demand(inputs=5000, outputs=None))
    with pytest.raises(BudgetExhausted):
        held.decide(demand(inputs=1, outputs=0))


def test_a_grant_without_a_record_and_one_settled_twice_give_back_once() -> None:
    held = limiter(tokens(amount=100))
    grant = held.decide(demand(inputs=100, outputs=0))
    grant.settle(0, 0)
    grant.settle(100, 0, lambda: usage_record(input_tokens=100))
    held.decide(demand(inputs=100, outputs=0))


def test_a_refusal_by_a_limit_takes_nothing_of_a_budget_and_the_other_way_round() -> None:
    clock = HandClock()
    holding = reserver([tokens(amount=10)], clock)
    held = ProcessLimiter(lambda: table_of(limit(requests_per_minute=1)), clock, reserver=holding)
    with pytest.raises(BudgetExhausted):
        held.decide(demand(inputs=9, outputs=0)) and held.decide(demand(inputs=9, outputs=0))
    held = ProcessLimiter(
        lambda: table_of(limit(requests_per_minute=1)), clock, reserver=reserver([tokens(amount=10)], clock)
    )
    first = held.decide(demand(inputs=2, outputs=0))
    with pytest.raises(LimitExceeded):
        held.decide(demand(inputs=8, outputs=0))
    first.settle(0, 0, lambda: usage_record(input_tokens=0, output_tokens=0))
    assert [one.used for one, _ in held.budgets.held(holding.of(demand()))] == [0]


def test_the_refusal_says_which_budget_how_much_and_when_it_begins_anew() -> None:
    held = limiter(
        budget("team", amount=NANO // 2, period=BudgetPeriod.MONTH, spent=NANO // 2, period_start=1_798_761_600.0)
    )
    with pytest.raises(BudgetExhausted) as caught:
        held.decide(demand(inputs=1_000_000, outputs=0))
    assert (caught.value.status, caught.value.error_code, caught.value.type) == (
        429,
        "insufficient_quota",
        "insufficient_quota",
    )
    for said in ("`team` of the tenant", "0.5 units of the currency per month", "used 0.5", "2027-02-01T00:00Z"):
        assert said in caught.value.message
    assert (b"x-should-retry", b"false") in caught.value.headers


def test_a_new_period_begins_at_midnight_without_anybody_saying_so() -> None:
    clock = HandClock()
    held = limiter(
        tokens(amount=10, period=BudgetPeriod.DAY, spent=10, period_start=float(clock.now() // DAY * DAY)), clock=clock
    )
    with pytest.raises(BudgetExhausted):
        held.decide(demand(inputs=1, outputs=0))
    clock.at += DAY
    held.decide(demand(inputs=10, outputs=0))


@pytest.mark.parametrize("mode", UnpricedMode)
def test_a_model_without_a_price_is_refused_or_admitted_as_declared(mode: UnpricedMode) -> None:
    clock = HandClock()
    holding = reserver([budget(amount=10)], clock, [], mode)
    held = ProcessLimiter(lambda: table_of(), clock, reserver=holding)
    if mode is UnpricedMode.REFUSE:
        with pytest.raises(ModelUnpriced):
            held.decide(demand())
    else:
        held.decide(demand()).settle(10, 5, usage_record)
    assert holding.figures.unpriced == 1


def test_a_budget_of_tokens_needs_no_price_and_counts_what_engines_did() -> None:
    clock = HandClock()
    held = ProcessLimiter(lambda: table_of(), clock, reserver=reserver([tokens(amount=50)], clock, []))
    held.decide(demand(inputs=50, outputs=0)).settle(
        50, 0, lambda: usage_record(input_tokens=50, reuse=Reuse.COALESCED)
    )
    held.decide(demand(inputs=50, outputs=0))


def test_of_several_routers_without_redis_each_uses_its_part_of_what_is_left() -> None:
    counter = BudgetCounter(0, 1, projected=40)
    admitted = [counter.admits(need, 100, 3) for need in (20, 21)]
    assert admitted == [True, False]


@given(st.lists(st.tuples(st.sampled_from(["hear", "take", "settle"]), st.integers(0, 50)), max_size=30))
def test_within_an_epoch_what_is_spent_only_grows(happenings: list[tuple[str, int]]) -> None:
    counter, before = BudgetCounter(0, 1, 0), 0
    for what, amount in happenings:
        if what == "hear":
            counter.hear(1, amount)
        elif what == "take":
            counter.outstanding += amount
        else:
            counter.settle(min(amount, counter.outstanding), amount)
        assert counter.settled >= max(before, counter.projected)
        before = counter.settled


def test_a_correction_lowers_what_the_ledger_has_and_keeps_what_it_has_not_yet() -> None:
    counter = BudgetCounter(0, 1, projected=50)
    counter.settle(0, 20)
    counter.hear(2, 30)
    counter.hear(1, 70)  # late, of before the correction
    assert (counter.used, counter.epoch) == (50, 2)


def test_an_unpriced_record_settles_for_nothing() -> None:
    holding = reserver([budget(amount=10 * NANO)], HandClock(), [PRICE])
    reserved = holding.of(demand())
    record = usage_record(provider_id="", output_tokens=1, images=1)
    changed = msgspec.structs.replace(record, admitted_at=-1.0)
    assert holding.used(reserved, lambda: changed) == [0]
