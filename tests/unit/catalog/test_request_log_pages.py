"""Pages out of the request logs of several routers, and what tenants may choose."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_catalog.domain.request_logs import (
    LogLevel,
    capped,
    check_level,
    level_of,
    minted_at,
    page_of_parts,
)
from roundhouse_common.contracts.identity import RequestLogPolicy, TenantRecord
from roundhouse_common.contracts.request_log import LoggedRequest, RequestLogPart
from roundhouse_common.errors import InvalidInput
from roundhouse_common.runtime import SystemIds

Key = tuple[float, str]


def line(key: Key) -> LoggedRequest:
    return LoggedRequest(at=key[0], request_id=key[1], line="{}")


class Router:
    """Answers as a router does: so many lines, or so many looked at."""

    def __init__(self, number: int, keys: Sequence[Key], looks: int) -> None:
        self.number = number
        self.keys = sorted(keys, reverse=True)
        self.looks = looks

    def answer(self, before: Key | None, limit: int) -> RequestLogPart:
        left = [key for key in self.keys if before is None or key < before]
        looked = left[: self.looks]
        found = [key for key in looked if not key[1].endswith("x")][:limit]
        reached = found[-1] if len(found) == limit else looked[-1] if len(looked) < len(left) else None
        at, request_id = reached or (0.0, "")
        return RequestLogPart(
            router_id=str(self.number), lines=tuple(map(line, found)), reached_at=at, reached_id=request_id
        )


keys = st.lists(
    st.tuples(st.integers(1, 30).map(float), st.integers(0, 10**6), st.sampled_from(["", "x"])), max_size=25
)


@given(st.lists(st.tuples(keys, st.integers(1, 8)), max_size=4), st.integers(1, 6))
def test_all_pages_together_have_every_line_of_every_router_once_the_newest_first(
    routers: list[tuple[list[tuple[float, int, str]], int]], limit: int
) -> None:
    """`x` marks lines that do not fit the question: routers look at them, and pass them over."""
    fleet = [
        Router(number, sorted({(at, f"{name}-{number}{mark}") for at, name, mark in some}), looks)
        for number, (some, looks) in enumerate(routers)
    ]
    wanted = sorted((key for one in fleet for key in one.keys if not key[1].endswith("x")), reverse=True)
    seen: list[Key] = []
    after: Key | None = None
    for _ in range(200):
        page = page_of_parts([one.answer(after, limit) for one in fleet], limit=limit)
        assert len(page.lines) <= limit
        seen += [(one.at, one.request_id) for one in page.lines]
        if page.after is None:
            break
        assert after is None or page.after < after, "it goes on for ever"
        after = page.after
    assert seen == wanted
    assert page.after is None


@pytest.mark.contract("E05")
@pytest.mark.parametrize("most", list(LogLevel))
@pytest.mark.parametrize("chosen", list(LogLevel))
def test_what_the_platform_does_not_allow_is_neither_taken_nor_in_force(chosen: LogLevel, most: LogLevel) -> None:
    policy = RequestLogPolicy(is_on=chosen is not LogLevel.OFF, has_texts=chosen is LogLevel.BODIES, keep_days=3)
    tenant = TenantRecord(tenant_id="ten_1", name="a", generation=1, request_log=policy)
    order = list(LogLevel)
    in_force = capped(tenant, most).request_log
    assert level_of(in_force) == order[min(order.index(chosen), order.index(most))]
    assert in_force.keep_days == 3
    if order.index(chosen) > order.index(most):
        with pytest.raises(InvalidInput, match="this platform allows"):
            check_level(chosen, most)
    else:
        check_level(chosen, most)


def test_an_id_tells_when_its_request_was_admitted() -> None:
    assert minted_at("req_0193a0c5f0d97c3e8a4b5c6d7e8f9012") == 0x0193A0C5F0D9 / 1000
    assert minted_at(SystemIds().new("req")) is not None
    for other in ("", "req_1", "my own id", "req_" + "g" * 32, "key_0193a0c5f0d97c3e8a4b5c6d7e8f9012"):
        assert minted_at(other) is None
