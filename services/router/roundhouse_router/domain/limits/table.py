"""Which limits a request falls under: an immutable table, swapped whole."""

from collections.abc import Iterable, Iterator
from typing import Final

from roundhouse_common.contracts.routing import LimitDimension, LimitRecord
from roundhouse_router.domain.limits.rules import DAY, MINUTE, NO_LIMITS, SECOND, Measure, Plan, Rule, Window

__all__ = ["NO_TABLE", "LimitsTable", "Subject", "limits_table"]

Subject = tuple[str, str, str, str]
"""Tenant, user, key and route."""

_BOUNDS: Final[tuple[tuple[str, Measure, Window | None], ...]] = (
    ("requests_per_second", Measure.REQUESTS, SECOND),
    ("requests_per_minute", Measure.REQUESTS, MINUTE),
    ("requests_per_day", Measure.REQUESTS, DAY),
    ("tokens_per_minute", Measure.TOKENS, MINUTE),
    ("tokens_per_day", Measure.TOKENS, DAY),
    ("input_tokens_per_minute", Measure.INPUT_TOKENS, MINUTE),
    ("input_tokens_per_day", Measure.INPUT_TOKENS, DAY),
    ("output_tokens_per_minute", Measure.OUTPUT_TOKENS, MINUTE),
    ("output_tokens_per_day", Measure.OUTPUT_TOKENS, DAY),
    ("concurrent_requests", Measure.CONCURRENT, None),
)
_PLACE: Final = {
    LimitDimension.TENANT: 0,
    LimitDimension.USER: 1,
    LimitDimension.KEY: 2,
    LimitDimension.ROUTE: 3,
}
_PLANS_MOST: Final = 50_000
"""Plans that are kept; then all are made anew."""


class LimitsTable:
    """The limits in force. `plan` remembers what it found, which changes nothing that a reader can see."""

    def __init__(self, records: Iterable[LimitRecord]) -> None:
        self.records: tuple[LimitRecord, ...] = tuple(sorted(records, key=lambda record: record.limit_id))
        self._by_id: dict[tuple[int, str], list[LimitRecord]] = {}
        self._general: list[LimitRecord] = []
        self._plans: dict[Subject, Plan] = {}
        for record in self.records:
            if not record.is_deleted and LimitDimension.UNKNOWN not in record.per:
                self._file(record)

    @property
    def unread(self) -> tuple[LimitRecord, ...]:
        """Limits that are counted apart for something this version does not know. They are not enforced: counted
        together they would refuse what nobody meant to refuse."""
        return tuple(one for one in self.records if not one.is_deleted and LimitDimension.UNKNOWN in one.per)

    def plan(self, subject: Subject) -> Plan:
        """Return what a request of this tenant, user, key and route falls under."""
        plan = self._plans.get(subject)
        if plan is None:
            if len(self._plans) >= _PLANS_MOST:
                self._plans.clear()
            plan = self._plans[subject] = _plan_of(list(self._rules(subject)))
        return plan

    def _file(self, record: LimitRecord) -> None:
        """Put a limit under the ids that it is for, so that finding those of a request does not look at all."""
        tenants = (record.tenant_id,) if record.tenant_id else record.tenant_ids
        for place, ids in ((2, record.key_ids), (1, record.user_ids), (0, tenants), (3, record.route_ids)):
            if ids:
                for one in ids:
                    self._by_id.setdefault((place, one), []).append(record)
                return
        self._general.append(record)

    def _rules(self, subject: Subject) -> Iterator[Rule]:
        found = list(self._general)
        for place, value in enumerate(subject):
            found += self._by_id.get((place, value), ())
        for record in sorted(found, key=lambda record: record.limit_id):
            if _applies(record, subject):
                yield from _rules_of(record, subject)


def limits_table(records: Iterable[LimitRecord]) -> LimitsTable:
    """Return the table of these limits; deleted ones are left out."""
    return LimitsTable(records)


NO_TABLE: Final = LimitsTable(())


def _applies(record: LimitRecord, subject: Subject) -> bool:
    tenant_id, user_id, key_id, route_id = subject
    return (
        (not record.tenant_id or record.tenant_id == tenant_id)
        and (not record.tenant_ids or tenant_id in record.tenant_ids)
        and (not record.user_ids or user_id in record.user_ids)
        and (not record.key_ids or key_id in record.key_ids)
        and (not record.route_ids or route_id in record.route_ids)
    )


def _rules_of(record: LimitRecord, subject: Subject) -> Iterator[Rule]:
    per = sorted(set(record.per), key=lambda dimension: _PLACE[dimension])
    # The dimension stands beside its value: a limit whose `per` was changed begins anew, and mixes with nothing.
    scope = "".join(f"|{dimension.value}={subject[_PLACE[dimension]]}" for dimension in per)
    for name, measure, window in _BOUNDS:
        bound = getattr(record, name)
        if bound is not None:
            yield Rule(
                counter_id=f"{record.limit_id}|{name}{scope}",
                limit_id=record.limit_id,
                limit_name=record.name,
                measure=measure,
                window=window,
                bound=max(0, bound),
                counted_per=" and ".join(dimension.value for dimension in per),
            )


def _plan_of(rules: list[Rule]) -> Plan:
    if not rules:
        return NO_LIMITS
    return Plan(
        requests=tuple(rule for rule in rules if rule.measure is Measure.REQUESTS),
        tokens=tuple(rule for rule in rules if rule.measure not in (Measure.REQUESTS, Measure.CONCURRENT)),
        concurrent=tuple(rule for rule in rules if rule.measure is Measure.CONCURRENT),
        closed=next((rule for rule in rules if rule.bound == 0), None),
    )
