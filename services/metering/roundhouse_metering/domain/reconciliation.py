"""Does the ledger hold every admitted request? Routers number what they admit without gaps, so it can be counted."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import zip_longest

from roundhouse_metering.domain.admitted import RouterHour

__all__ = [
    "HourReconciliation",
    "Reconciliation",
    "RouterLedger",
    "RouterReconciliation",
    "reconcile",
    "reconcile_hours",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterLedger:
    """What the ledger holds of one router."""

    router_id: str
    highest_sequence: int
    distinct_sequences: int
    completed: int
    failed: int
    aborted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterReconciliation:
    """admitted = recorded + missing, and recorded = completed + failed + aborted.

    `missing` are requests that were admitted and have no record yet: in flight, in a router's spool, or on the bus.
    On an idle platform it must be 0. `repeated` counts records whose sequence another record of that router has
    too: it must be 0 always; otherwise a router lost its state directory and kept its name.
    """

    router_id: str
    admitted: int
    recorded: int
    completed: int
    failed: int
    aborted: int
    missing: int
    repeated: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    routers: tuple[RouterReconciliation, ...]
    totals: RouterReconciliation
    """The sums; its `router_id` is empty."""


def reconcile(ledgers: Iterable[RouterLedger]) -> Reconciliation:
    """Return the figures per router, ordered by name, and their sums."""
    routers = tuple(_router(ledger) for ledger in sorted(ledgers, key=lambda ledger: ledger.router_id))
    return Reconciliation(
        routers=routers,
        totals=RouterReconciliation(
            router_id="",
            admitted=sum(router.admitted for router in routers),
            recorded=sum(router.recorded for router in routers),
            completed=sum(router.completed for router in routers),
            failed=sum(router.failed for router in routers),
            aborted=sum(router.aborted for router in routers),
            missing=sum(router.missing for router in routers),
            repeated=sum(router.repeated for router in routers),
        ),
    )


def _router(ledger: RouterLedger) -> RouterReconciliation:
    recorded = ledger.completed + ledger.failed + ledger.aborted
    missing = ledger.highest_sequence - ledger.distinct_sequences
    return RouterReconciliation(
        router_id=ledger.router_id,
        admitted=recorded + missing,
        recorded=recorded,
        completed=ledger.completed,
        failed=ledger.failed,
        aborted=ledger.aborted,
        missing=missing,
        repeated=recorded - ledger.distinct_sequences,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HourReconciliation:
    """What a router admitted within an hour. What is missing between two hours counts to the earlier one, and what is
    missing before all of a router's to its first."""

    router_id: str
    hour: int
    admitted: int
    completed: int
    failed: int
    aborted: int
    missing: int


def reconcile_hours(hours: Mapping[tuple[str, int], RouterHour]) -> list[HourReconciliation]:
    """Return the figures by router and hour, in that order."""
    found = []
    places = sorted(hours)
    before = ""
    for place, following in zip_longest(places, places[1:], fillvalue=("", 0)):
        hour = hours[place]
        begin = hour.first if place[0] == before else 1
        end = hours[following].first if following[0] == place[0] else hour.last + 1
        missing = max(0, end - begin - hour.recorded)
        before = place[0]
        found.append(
            HourReconciliation(
                router_id=place[0],
                hour=place[1],
                admitted=hour.recorded + missing,
                completed=hour.completed,
                failed=hour.failed,
                aborted=hour.aborted,
                missing=missing,
            )
        )
    return found
