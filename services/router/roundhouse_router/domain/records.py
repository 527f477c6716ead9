"""One usage record per admitted request: opened at admission, settled exactly once.

An admission is a `UsageRecord` whose outcome is UNKNOWN; it never leaves the router.
"""

from typing import Final

import msgspec

from roundhouse_common.contracts.usage import Outcome, UsageRecord, UsageSource
from roundhouse_common.runtime import UnixTime

__all__ = ["ROUTER_RESTARTED", "is_final", "settle_interrupted"]

ROUTER_RESTARTED: Final = "router_restarted"


def is_final(record: UsageRecord) -> bool:
    return record.outcome is not Outcome.UNKNOWN


def settle_interrupted(admission: UsageRecord, now: UnixTime) -> UsageRecord:
    """Return the record of a request that was in flight when its router died. Nobody knows how far it got."""
    return msgspec.structs.replace(
        admission,
        ended_at=now,
        duration_ms=max(now - admission.admitted_at, 0.0) * 1000,
        outcome=Outcome.ABORTED,
        error_code=ROUTER_RESTARTED,
        source=UsageSource.NONE,
    )
