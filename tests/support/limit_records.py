"""Limits and demands of tests, with everything that does not matter left to defaults."""

from typing import Any

from roundhouse_common.contracts.routing import LimitDimension, LimitRecord
from roundhouse_router.domain.limits import Demand, LimitsTable, limits_table

__all__ = ["demand", "limit", "table_of"]


def limit(limit_id: str = "lim_1", *per: LimitDimension, **changes: Any) -> LimitRecord:
    """Return a limit, counted apart for `per`; its name is its id. `changes`: fields of the record."""
    return LimitRecord(limit_id=limit_id, name=limit_id, per=per, **changes)


def demand(
    key: str = "key_1",
    *,
    tenant: str = "ten_1",
    user: str = "usr_1",
    route: str = "rt_1",
    inputs: int = 10,
    outputs: int | None = 0,
) -> Demand:
    return Demand(tenant, user, key, route, inputs, outputs)


def table_of(*records: LimitRecord) -> LimitsTable:
    return limits_table(records)
