"""Which limits a request falls under, and with whom it is counted together."""

from typing import Any

import pytest

from roundhouse_common.contracts.routing import LimitDimension as D
from roundhouse_common.contracts.routing import LimitRecord
from roundhouse_router.domain.limits import MINUTE, Measure
from tests.support.limit_records import limit, table_of

SUBJECT = ("ten_1", "usr_1", "key_1", "rt_1")


def counters(*records: LimitRecord, subject: tuple[str, str, str, str] = SUBJECT) -> list[str]:
    return [rule.counter_id for rule in table_of(*records).plan(subject).rules]


@pytest.mark.contract("D02")
def test_a_limit_without_terms_is_for_all_together() -> None:
    record = limit(requests_per_minute=5)
    assert counters(record) == counters(record, subject=("t", "u", "k", "r")) == ["lim_1|requests_per_minute"]


@pytest.mark.parametrize(
    ("terms", "place"), [("tenant_ids", 0), ("user_ids", 1), ("key_ids", 2), ("route_ids", 3), ("tenant_id", 0)]
)
def test_a_limit_is_only_for_those_it_names(terms: str, place: int) -> None:
    value = SUBJECT[place] if terms == "tenant_id" else (SUBJECT[place], "another")
    wanted: dict[str, Any] = {terms: value}
    record = limit("lim_1", requests_per_day=5, **wanted)
    assert counters(record)
    other = list(SUBJECT)
    other[place] = "nobody"
    assert not counters(record, subject=(other[0], other[1], other[2], other[3]))


def test_all_terms_must_hold() -> None:
    record = limit(key_ids=("key_1",), route_ids=("rt_2",), requests_per_minute=5)
    assert not counters(record)
    assert counters(record, subject=("ten_1", "usr_1", "key_1", "rt_2"))


@pytest.mark.contract("D03")
@pytest.mark.contract("D04")
@pytest.mark.contract("D15")
@pytest.mark.contract("E04")
@pytest.mark.parametrize(("dimension", "place"), [(D.TENANT, 0), (D.USER, 1), (D.KEY, 2), (D.ROUTE, 3)])
def test_counted_apart_for_each(dimension: D, place: int) -> None:
    record = limit("lim_1", dimension, concurrent_requests=5)
    other = list(SUBJECT)
    other[place] = "another"
    assert counters(record) == [f"lim_1|concurrent_requests|{dimension.value}={SUBJECT[place]}"]
    assert counters(record, subject=(other[0], other[1], other[2], other[3])) != counters(record)


def test_a_pair_is_the_same_counter_in_either_order() -> None:
    one = counters(limit("lim_1", D.KEY, D.ROUTE, tokens_per_day=5))
    assert one == counters(limit("lim_1", D.ROUTE, D.KEY, tokens_per_day=5)) != counters(limit(tokens_per_day=5))


def test_every_bound_becomes_a_rule() -> None:
    names = [name for name in LimitRecord.__struct_fields__ if "_per_" in name or name == "concurrent_requests"]
    plan = table_of(limit("lim_1", **dict.fromkeys(names, 7))).plan(SUBJECT)
    assert sorted(rule.counter_id for rule in plan.rules) == sorted(f"lim_1|{name}" for name in names)
    by_name = {rule.counter_id: rule for rule in plan.rules}
    rule = by_name["lim_1|output_tokens_per_minute"]
    assert (rule.measure, rule.window, rule.bound) == (Measure.OUTPUT_TOKENS, MINUTE, 7)
    assert [rule.measure for rule in plan.concurrent] == [Measure.CONCURRENT]


def test_deleted_limits_hold_nobody() -> None:
    assert not counters(limit(requests_per_minute=5, is_deleted=True))


def test_a_limit_of_a_later_version_is_left_out_and_named() -> None:
    record = limit("lim_1", D.UNKNOWN, requests_per_minute=5)
    assert not counters(record)
    assert table_of(record).unread == (record,)


def test_a_bound_of_zero_closes() -> None:
    plan = table_of(limit("lim_1", requests_per_minute=5), limit("lim_2", tokens_per_day=0)).plan(SUBJECT)
    assert plan.closed is not None
    assert plan.closed.limit_id == "lim_2"
