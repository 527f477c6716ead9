"""The outbox: what a transaction decided to tell others, published after it committed.

A crash between commit and publish delays a message; a crash between publish and delete sends it again with the same
event id, which the bus stores once within its duplicate window and every consumer takes once. Ids are in commit
order (writers are serial, see `database.py`), and each relay waits for an ack before the next event: so two relays
of a service cannot change the order, only repeat what was sent.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

import msgspec
import structlog
from sqlalchemy import Column, LargeBinary, MetaData, Row, String, Table, column, delete, func, insert, select
from sqlalchemy import table as lightweight_table

from roundhouse_common import telemetry
from roundhouse_common.bus.api import BusUnavailable
from roundhouse_common.contracts.base import Event, Message
from roundhouse_common.contracts.registry import CONTRACTS
from roundhouse_common.database.database import Database
from roundhouse_common.database.sessions import WriteSession
from roundhouse_common.database.types import BigId, Json
from roundhouse_common.runtime import Clock

__all__ = ["OutboxRelay", "Outgoing", "enqueue", "enqueue_all", "outbox_table"]

M = TypeVar("M", bound=Message)

_log = structlog.get_logger(component=__name__)
_BATCH: Final = 100
_POLL_S: Final = 5.0
"""Another process of the service may have written: `wake` reaches only this one."""
_RETRY_S: Final = 1.0
_Ids: Final = tuple[str, ...]
_Headers: Final = dict[str, str]
_OUTBOX: Final = lightweight_table(
    "outbox",
    column("event_id", String()),
    column("subject", String()),
    column("ids", Json(_Ids)),
    column("payload", LargeBinary()),
    column("headers", Json(_Headers)),
)


def outbox_table(metadata: MetaData) -> Table:
    """Add the `outbox` table to a service's metadata. Each service has at most one."""
    return Table(
        "outbox",
        metadata,
        Column("id", BigId, primary_key=True, autoincrement=True),
        Column("event_id", String(64), nullable=False, unique=True),
        Column("subject", String(200), nullable=False),
        Column("ids", Json(_Ids), nullable=False),
        Column("payload", LargeBinary, nullable=False),
        Column("headers", Json(_Headers), nullable=False),
        sqlite_autoincrement=True,
    )


@dataclass(frozen=True, slots=True)
class Outgoing(Generic[M]):
    """One event to publish."""

    message: M
    ids: tuple[str, ...]
    event_id: str


async def enqueue(session: WriteSession, contract: Event[M], message: M, *ids: str, event_id: str) -> None:
    """Publish the message if, and only if, the transaction commits. The current trace goes with it."""
    await enqueue_all(session, contract, [Outgoing(message, ids, event_id)])


async def enqueue_all(session: WriteSession, contract: Event[M], outgoing: Sequence[Outgoing[M]]) -> None:
    """Publish many messages of one kind, in this order, if the transaction commits."""
    if not outgoing:
        return
    headers: dict[str, str] = {}
    telemetry.inject(headers)
    await session.execute(
        insert(_OUTBOX),
        [
            {
                "event_id": item.event_id,
                "subject": contract.subject,
                "ids": item.ids,
                "payload": msgspec.json.encode(item.message),
                "headers": headers,
            }
            for item in outgoing
        ],
    )


class Appends(Protocol):
    """The part of the bus that the relay needs."""

    async def append(self, contract: Event[M], message: M, *ids: str, event_id: str) -> int:
        """Store an event and return its stream sequence. Raises BusUnavailable."""


class OutboxRelay:
    """Publishes the outbox of one service in order. Run it as a loop; `flush` once more before stopping."""

    def __init__(self, db: Database, bus: Appends, table: Table, clock: Clock) -> None:
        self._db = db
        self._bus = bus
        self._table = table
        self._oldest = select(table).order_by(table.c.id).limit(_BATCH)
        self._clock = clock
        self._woken = asyncio.Event()
        self._sending = asyncio.Lock()

    def wake(self) -> None:
        """Look now. Give it to `WriteSession.after_commit`."""
        self._woken.set()

    async def run(self) -> None:
        """Publish for ever; waits quietly while the bus is away."""
        away_since: float | None = None
        while True:
            self._woken.clear()
            try:
                await self.flush()
            except BusUnavailable as error:
                if away_since is None:
                    away_since = self._clock.monotonic()
                    _log.warning("outbox_waits_for_bus", error=str(error))
                await asyncio.sleep(_RETRY_S)
                continue
            if away_since is not None:
                _log.info("outbox_flows_again", waited_s=round(self._clock.monotonic() - away_since, 3))
                away_since = None
            await self._pause(_POLL_S)

    async def flush(self) -> int:
        """Publish everything that is waiting and return how many. Raises BusUnavailable; then the rest stays."""
        sent = 0
        async with self._sending:
            while True:
                batch = await self._send_batch()
                sent += batch
                if batch < _BATCH:
                    return sent

    async def flush_before_stop(self) -> None:
        """Tell what was decided before the service goes; without a bus it stays for the next start."""
        try:
            await self.flush()
        except BusUnavailable as error:
            _log.info("outbox_left_for_next_start", error=str(error))

    async def pending(self) -> int:
        """Return how many events wait to be published."""
        async with self._db.read() as session:
            return await session.scalar(select(func.count()).select_from(self._table)) or 0

    async def _send_batch(self) -> int:
        async with self._db.read() as session:
            rows = (await session.execute(self._oldest)).all()
        sent: list[int] = []
        try:
            for row in rows:
                await self._send(row)
                sent.append(row.id)
        finally:
            if sent:
                async with self._db.write() as writing:
                    await writing.execute(delete(self._table).where(self._table.c.id.in_(sent)))
        return len(sent)

    async def _send(self, row: Row[Any]) -> None:
        contract = _EVENTS[row.subject]
        message = msgspec.json.decode(row.payload, type=contract.message)
        with telemetry.attached(row.headers):
            await self._bus.append(contract, message, *row.ids, event_id=row.event_id)

    async def _pause(self, seconds: float) -> None:
        # Not asyncio.wait_for: before Python 3.12 it swallows a cancellation that comes together with the wake-up.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()


_EVENTS: Final[Mapping[str, Event[Any]]] = {
    contract.subject: contract for contract in CONTRACTS if isinstance(contract, Event)
}
