"""Admitted = completed + failed + aborted + missing, whatever arrived."""

from hypothesis import given
from hypothesis import strategies as st

from roundhouse_metering.domain.admitted import RouterHour
from roundhouse_metering.domain.reconciliation import RouterLedger, reconcile, reconcile_hours

ledgers = st.builds(
    lambda name, outcomes, highest: RouterLedger(
        router_id=name,
        highest_sequence=max([highest, *outcomes]),
        distinct_sequences=len(outcomes),
        completed=sum(outcome == 0 for outcome in outcomes.values()),
        failed=sum(outcome == 1 for outcome in outcomes.values()),
        aborted=sum(outcome == 2 for outcome in outcomes.values()),
    ),
    st.text("abc", min_size=1),
    st.dictionaries(st.integers(1, 50), st.integers(0, 2), min_size=1),
    st.integers(1, 80),
)


@given(st.lists(ledgers, unique_by=lambda ledger: ledger.router_id))
def test_the_books_always_balance(found: list[RouterLedger]) -> None:
    reconciled = reconcile(found)
    for router in (*reconciled.routers, reconciled.totals):
        assert router.recorded == router.completed + router.failed + router.aborted
        assert router.admitted == router.recorded + router.missing
        assert router.missing >= 0
    assert reconciled.totals.admitted == sum(ledger.highest_sequence for ledger in found)
    assert reconciled.totals.repeated == 0


def test_a_gap_is_missing_and_an_unfinished_tail_is_not_seen() -> None:
    gap = RouterLedger(router_id="r", highest_sequence=5, distinct_sequences=3, completed=1, failed=1, aborted=1)
    (router,) = reconcile([gap]).routers
    assert (router.admitted, router.recorded, router.missing) == (5, 3, 2)


def test_a_router_that_counts_from_1_again_is_seen() -> None:
    twice = RouterLedger(router_id="r", highest_sequence=3, distinct_sequences=3, completed=5, failed=0, aborted=0)
    (router,) = reconcile([twice]).routers
    assert (router.repeated, router.missing, router.admitted) == (2, 0, 5)


def test_what_is_missing_is_told_by_the_hour_before_it() -> None:
    hours = {
        ("a", 0): RouterHour(first=1, last=4, completed=2, aborted=1),  # 2 or 3 is missing
        ("a", 3600): RouterHour(first=7, last=8, failed=2),  # 5 and 6 are missing before it
        ("b", 0): RouterHour(first=1, last=1, completed=1),
        ("c", 3600): RouterHour(first=3, last=3, completed=1),  # 1 and 2 are missing before all
    }
    found = reconcile_hours(hours)
    assert [(hour.router_id, hour.hour, hour.admitted, hour.missing) for hour in found] == [
        ("a", 0, 6, 3),
        ("a", 3600, 2, 0),
        ("b", 0, 1, 0),
        ("c", 3600, 3, 2),
    ]


def test_a_ledger_without_records_has_no_hours() -> None:
    assert reconcile_hours({}) == []
