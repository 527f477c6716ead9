"""Which line of which price book a request is priced by."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_common.contracts.money import PriceRecord
from roundhouse_common.pricing import PriceFacts, PriceTable, choose_price
from tests.support.prices import price

pytestmark = pytest.mark.contract("F01")


def facts(**changes: Any) -> PriceFacts:
    """Return a chat of 100 tokens at second 1000. Any: the fields' own types."""
    defaults: dict[str, Any] = {
        "at": 1000.0,
        "tenant_id": "ten_a",
        "deployment_id": "dep_a",
        "model": "qwen3-8b",
        "device_class": "NVIDIA H100 80GB HBM3",
        "operation": "chat",
        "input_tokens": 100,
    }
    return PriceFacts(**{**defaults, **changes})


@pytest.mark.parametrize(
    ("stronger", "weaker"),
    [
        ({"tenant_id": "ten_a"}, {"deployment_id": "dep_a", "model": "qwen3-8b", "device_class": "*H100*"}),
        ({"deployment_id": "dep_a"}, {"model": "qwen3-8b", "device_class": "NVIDIA H100 80GB HBM3"}),
        ({"model": "qwen3-8b"}, {"model": "qwen3-*", "device_class": "*H100*"}),
        ({"model": "qwen3-*"}, {"model": "q*"}),
        ({"model": "q*"}, {"device_class": "NVIDIA H100 80GB HBM3", "operation": "chat"}),
        ({"device_class": "*H100*"}, {"operation": "chat"}),
        ({"operation": "chat"}, {}),
        ({"tier_from_tokens": 50}, {"valid_from": 500.0}),
        ({"valid_from": 500.0}, {"valid_from": 400.0}),
    ],
)
def test_the_more_specific_line_wins(stronger: dict[str, Any], weaker: dict[str, Any]) -> None:
    lines = [price("pri_1", **stronger), price("pri_2", **weaker)]
    assert choose_price(lines, facts()) == lines[0]
    assert choose_price(lines[::-1], facts()) == lines[0]


@pytest.mark.parametrize(
    "foreign",
    [
        {"tenant_id": "ten_b"},
        {"deployment_id": "dep_b"},
        {"provider_id": "prv_a"},
        {"model": "llama*"},
        {"device_class": "*A100*"},
        {"operation": "embeddings"},
        {"tier_from_tokens": 101},
        {"valid_from": 1000.5},
        {"valid_until": 1000.0},
        {"is_deleted": True},
    ],
)
def test_a_line_for_something_else_is_never_taken(foreign: dict[str, Any]) -> None:
    assert choose_price([price(**foreign)], facts()) is None


def test_a_line_is_valid_from_its_first_moment_until_its_end_and_not_at_it() -> None:
    line = price(valid_from=10.0, valid_until=20.0)
    chosen = [choose_price([line], facts(at=at)) is not None for at in (9.9, 10.0, 19.9, 20.0)]
    assert chosen == [False, True, True, False]


def test_a_version_that_begins_takes_over_where_the_one_before_it_ends() -> None:
    lines = [price("pri_1", valid_from=0.0, valid_until=50.0), price("pri_2", valid_from=50.0, version=2)]
    chosen = [choose_price(lines, facts(at=at)) for at in (49.0, 50.0)]
    assert chosen == lines


_NAMES = st.sampled_from(["", "qwen3-8b", "qwen3-*", "q*", "*", "llama"])
_LINES = st.lists(
    st.builds(
        price,
        price_id=st.uuids().map(str),
        tenant_id=st.sampled_from(["", "ten_a", "ten_b"]),
        deployment_id=st.sampled_from(["", "dep_a", "dep_b"]),
        provider_id=st.sampled_from(["", "prv_a"]),
        model=_NAMES,
        device_class=st.sampled_from(["", "*H100*", "cpu"]),
        operation=st.sampled_from(["", "chat", "embeddings"]),
        tier_from_tokens=st.sampled_from([0, 0, 100, 1000]),
        valid_from=st.sampled_from([0.0, 10.0, 20.0]),
        valid_until=st.sampled_from([0.0, 0.0, 20.0, 30.0]),
    ),
    max_size=8,
)
_FACTS = st.builds(
    PriceFacts,
    at=st.sampled_from([5.0, 10.0, 15.0, 20.0, 25.0, 35.0]),
    tenant_id=st.sampled_from(["ten_a", "ten_c"]),
    deployment_id=st.sampled_from(["", "dep_a"]),
    provider_id=st.sampled_from(["", "prv_a"]),
    model=st.sampled_from(["", "qwen3-8b", "llama"]),
    device_class=st.sampled_from(["", "cpu", "NVIDIA H100 80GB HBM3"]),
    operation=st.sampled_from(["chat", "embeddings"]),
    input_tokens=st.sampled_from([0, 99, 100, 5000]),
)


@given(lines=_LINES, asked=st.lists(_FACTS, min_size=1, max_size=5))
def test_a_table_chooses_as_the_rule_does(lines: list[PriceRecord], asked: list[PriceFacts]) -> None:
    table = PriceTable(lines)
    for one in asked + asked:
        assert table.choose(one) == choose_price(lines, one)


@given(lines=_LINES, asked=_FACTS, order=st.randoms(use_true_random=False))
def test_the_order_of_lines_decides_nothing(lines: list[PriceRecord], asked: PriceFacts, order: Any) -> None:
    shuffled = list(lines)
    order.shuffle(shuffled)
    assert choose_price(shuffled, asked) == choose_price(lines, asked)
