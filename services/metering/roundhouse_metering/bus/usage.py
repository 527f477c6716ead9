"""Usage records from the stream into the ledger: the acknowledgement goes out after the commit."""

from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter

from roundhouse_common.bus.api import Delivery, PermanentError
from roundhouse_common.contracts.usage import UsageBatch, UsageRecord
from roundhouse_common.database import Database, ValueNotStorable
from roundhouse_common.http.times import rfc3339
from roundhouse_common.runtime import Clock, Ids, SystemIds
from roundhouse_metering.domain.records import fault
from roundhouse_metering.store.budgets import charge
from roundhouse_metering.store.costs import PriceCache
from roundhouse_metering.store.ledger import before_floor, enter
from roundhouse_metering.store.notices import note_thresholds

__all__ = ["BATCHES_DURABLE", "DURABLE", "UsageRecorder"]

DURABLE = "metering-usage"
BATCHES_DURABLE = "metering-usage-batches"
_AT_ONCE = 2000
"""Records in one transaction."""
_FAULTS_TOLD = 3
_LATE_S = 27 * 86_400.0
"""Only what is later than this can belong to a month that is not kept any more."""


class UsageRecorder:
    """Takes batches of usage records. Idempotent by request id, so that redelivery and replay are harmless."""

    def __init__(
        self,
        db: Database,
        *,
        clock: Clock,
        registry: CollectorRegistry,
        ids: Ids | None = None,
        on_spent: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_spent` is called after a commit that charged a budget."""
        self._db = db
        self._clock = clock
        self._ids = ids or SystemIds()
        self._on_spent = on_spent
        self._prices = PriceCache()
        self._records = Counter(
            "roundhouse_metering_records", "Usage records taken from the bus.", ["result"], registry=registry
        )
        self._unpriced = Counter(
            "roundhouse_metering_unpriced_records", "Records entered without a cost.", ["missing"], registry=registry
        )
        for missing in ("price", "amount"):
            self._unpriced.labels(missing)  # at 0: what first appears at 1 has not grown for Prometheus

    async def __call__(self, deliveries: Sequence[Delivery[UsageRecord]]) -> None:
        """Take messages of one record each. Raises PermanentError, with nothing written, when a record is at fault."""
        records = [delivery.message for delivery in deliveries]
        for record in records:
            if reason := fault(record):
                raise PermanentError(f"usage record {record.request_id or '(without id)'}: {reason}")
        await self._enter(records)

    async def batches(self, deliveries: Sequence[Delivery[UsageBatch]]) -> None:
        """Take messages of several records each. The good ones are entered whatever is beside them; for the others the
        message becomes a dead letter: raises PermanentError."""
        records = [record for delivery in deliveries for record in delivery.message.records]
        faults = [f"{record.request_id or '(without id)'}: {why}" for record in records if (why := fault(record))]
        good = [record for record in records if not fault(record)] if faults else records
        for start in range(0, len(good), _AT_ONCE):
            await self._enter(good[start : start + _AT_ONCE])
        if faults:
            raise PermanentError(f"usage records {'; '.join(faults[:_FAULTS_TOLD])}")

    async def _enter(self, records: Sequence[UsageRecord]) -> None:
        if not records:
            return
        try:
            async with self._db.write() as session:
                prices = await self._prices.current(session)
                now = self._clock.now()
                had, gone = await before_floor(session, [one for one in records if one.admitted_at < now - _LATE_S])
                late = {record.request_id for record in (*had, *gone)}
                current = [one for one in records if one.request_id not in late] if late else records
                entered = await enter(session, current, recorded_at=now, prices=prices)
                if charged := await charge(session, entered):
                    times = (record.admitted_at for record, _ in entered)
                    await note_thresholds(session, charged, now=now, ids=self._ids, admitted=times)
                    session.after_commit(self._on_spent)
        except ValueNotStorable as error:
            raise PermanentError(f"usage records {records[0].request_id} ...: {error.message}") from error
        self._records.labels("entered").inc(len(entered))
        self._records.labels("duplicate").inc(len(records) - len(entered) - len(gone))
        for _, cost in entered:
            if cost.cost_nano is None:
                self._unpriced.labels(cost.missing).inc()
        if gone:
            first = gone[0]
            raise PermanentError(
                f"usage records {first.request_id} ...: {len(gone)} came after their month's records were removed, "
                f"of {rfc3339(first.admitted_at)}; they are in no sum"
            )
