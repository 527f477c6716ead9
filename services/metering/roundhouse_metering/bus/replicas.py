"""Transitions of replicas from the stream into the ledger of replica-seconds."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter

from roundhouse_common.bus.api import Delivery, PermanentError
from roundhouse_common.contracts.scheduler import ReplicaTransition
from roundhouse_common.database import Database, ValueNotStorable
from roundhouse_metering.domain.spans import span_of, transition_fault
from roundhouse_metering.store.spans import enter_spans

__all__ = ["REPLICAS_DURABLE", "ReplicaRecorder"]

REPLICAS_DURABLE = "metering-replicas"


class ReplicaRecorder:
    """Takes batches of transitions. Idempotent by event id, and indifferent to their order."""

    def __init__(self, db: Database, *, registry: CollectorRegistry) -> None:
        self._db = db
        self._transitions = Counter(
            "roundhouse_metering_transitions", "Replica transitions taken from the bus.", ["result"], registry=registry
        )

    async def __call__(self, deliveries: Sequence[Delivery[ReplicaTransition]]) -> None:
        """Enter the batch in one transaction. Raises PermanentError, before writing, when an event is at fault."""
        events = [delivery.message for delivery in deliveries]
        for event in events:
            if reason := transition_fault(event):
                raise PermanentError(f"transition {event.event_id or '(without id)'}: {reason}")
        try:
            async with self._db.write() as session:
                entered = await enter_spans(session, [span_of(event) for event in events])
        except ValueNotStorable as error:
            raise PermanentError(f"transitions {events[0].event_id} ...: {error.message}") from error
        self._transitions.labels("entered").inc(entered)
        self._transitions.labels("duplicate").inc(len(events) - entered)
