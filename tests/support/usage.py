"""Usage records whose irrelevant fields have defaults."""

import dataclasses
from typing import Any

from roundhouse_common.contracts.usage import Operation, Outcome, UsageRecord, UsageSource

__all__ = ["NOON", "UsageRecords", "usage_record"]

NOON = 1_795_262_400.0
"""2026-11-21T12:00:00Z, in Unix seconds."""


def usage_record(sequence: int = 1, **fields: Any) -> UsageRecord:
    """Return a completed chat request; give what matters as keyword arguments. Any: the fields' own types."""
    router_id = fields.get("router_id", "router-1")
    admitted_at = fields.get("admitted_at", NOON + sequence)
    defaults: dict[str, Any] = {
        "request_id": f"req_{router_id}_{sequence:06}",
        "router_id": router_id,
        "operation": Operation.CHAT,
        "key_id": "key_1",
        "user_id": "usr_admin",
        "tenant_id": "ten_default",
        "model_requested": "smollm2",
        "model_served": "smollm2",
        "deployment_id": "dep_1",
        "replica_id": "rep_1",
        "node_id": "nod_1",
        "admitted_at": admitted_at,
        "ended_at": admitted_at + 1,
        "duration_ms": 1000.0,
        "is_stream": False,
        "outcome": Outcome.COMPLETED,
        "http_status": 200,
        "input_tokens": 10,
        "output_tokens": 5,
        "source": UsageSource.ENGINE_FINAL,
    }
    return UsageRecord(sequence=sequence, **{**defaults, **fields})


@dataclasses.dataclass
class UsageRecords:
    """Numbers the records of one router without gaps, as a router does."""

    router_id: str = "router-1"
    sequence: int = 0

    def next(self, **fields: Any) -> UsageRecord:
        """Return the next record. Any: the fields' own types."""
        self.sequence += 1
        return usage_record(self.sequence, router_id=self.router_id, **fields)
