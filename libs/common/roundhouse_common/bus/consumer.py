"""A durable consumer on top of a wire: decides what happens to each message, which is the same on every bus."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog

from roundhouse_common.bus.api import BusUnavailable, Delivery, Handler, PermanentError
from roundhouse_common.bus.codec import Undecodable, decode
from roundhouse_common.bus.headers import EVENT_ID, MESSAGE_ID
from roundhouse_common.bus.letters import LetterBox
from roundhouse_common.bus.metrics import BusMetrics
from roundhouse_common.bus.tasks import backoff_s
from roundhouse_common.bus.wire import ConsumerSpec, Packet, Pulled, Puller
from roundhouse_common.contracts.base import Event, Message
from roundhouse_common.contracts.operations import DeadLetter
from roundhouse_common.telemetry import SpanKind, span

__all__ = ["WireConsumer"]

M = TypeVar("M", bound=Message)

_PULL_S = 5.0
"""Longer pulls would stay deaf longer when a server dies without closing the connection (measured)."""
_GIVE_UP_AFTER = 3
"""One-by-one failures in a row after which the rest is handed back untried: then it is not the messages."""
_log = structlog.get_logger("roundhouse.bus")


@dataclass(frozen=True, slots=True, kw_only=True)
class _InHand(Generic[M]):
    pulled: Pulled
    delivery: Delivery[M]


class WireConsumer(Generic[M]):
    """`Consumer` over a puller."""

    def __init__(
        self,
        contract: Event[M],
        handler: Handler[M],
        *,
        spec: ConsumerSpec,
        puller: Puller,
        letters: LetterBox,
        batch: int,
        metrics: BusMetrics,
    ) -> None:
        self._contract = contract
        self._handler = handler
        self._spec = spec
        self._puller = puller
        self._letters = letters
        self._batch = batch
        self._metrics = metrics
        self._unsettled: list[Pulled] = []

    async def run(self) -> None:
        failures = 0
        while True:
            try:
                pulled = await self._puller.pull(self._batch, _PULL_S)
            except BusUnavailable as error:
                failures += 1
                if failures == 1:
                    _log.warning("bus.consumer_waits", consumer=self._spec.durable, error=str(error))
                await asyncio.sleep(backoff_s(failures, most_s=0.5))
                continue
            if failures:
                _log.info("bus.consumer_goes_on", consumer=self._spec.durable)
                failures = 0
            if pulled:
                await self._settle(pulled)

    async def letters(self) -> list[DeadLetter]:
        return [letter for _, letter in await self._letters.all()]

    async def replay(self, letter_id: str) -> None:
        sequence, letter = await self._found(letter_id)
        packet = Packet(subject=letter.subject, payload=letter.payload, headers=letter.headers)
        delivery = self._delivery(packet, sequence=letter.stream_sequence, deliveries=letter.deliveries + 1)
        await self._call([delivery])
        await self._letters.remove(sequence)

    async def discard(self, letter_id: str) -> None:
        sequence, _ = await self._found(letter_id)
        await self._letters.remove(sequence)

    async def _found(self, letter_id: str) -> tuple[int, DeadLetter]:
        for sequence, letter in await self._letters.all():
            if letter.letter_id == letter_id:
                return sequence, letter
        raise LookupError(f"no dead letter {letter_id} of {self._spec.durable}")

    async def _settle(self, pulled: Sequence[Pulled]) -> None:
        """Handle what was pulled; on cancellation hand back what is not settled yet."""
        self._unsettled = list(pulled)
        try:
            async with asyncio.TaskGroup() as group:
                keeper = group.create_task(self._keep_in_hand(), name=f"{self._spec.durable}-in-hand")
                await self._work_through(pulled)
                keeper.cancel()
        except asyncio.CancelledError:
            for one in list(self._unsettled):
                await self._hand_back(one, delay_s=0.0)
            raise

    async def _work_through(self, pulled: Sequence[Pulled]) -> None:
        batch = await self._decode_all(pulled)
        if not batch:
            return
        error = await self._try([one.delivery for one in batch])
        if error is None:
            for one in batch:
                await self._ack(one.pulled)
        elif len(batch) == 1:
            await self._settle_failure(batch[0], error)
        else:
            await self._one_by_one(batch)

    async def _one_by_one(self, batch: Sequence[_InHand[M]]) -> None:
        failures_in_a_row = 0
        for one in batch:
            if failures_in_a_row >= _GIVE_UP_AFTER:
                await self._hand_back(one.pulled, delay_s=_redelivery_s(one.pulled))
                continue
            error = await self._try([one.delivery])
            if error is None:
                await self._ack(one.pulled)
            else:
                await self._settle_failure(one, error)
            is_transient = error is not None and not isinstance(error, PermanentError)
            failures_in_a_row = failures_in_a_row + 1 if is_transient else 0

    async def _decode_all(self, pulled: Sequence[Pulled]) -> list[_InHand[M]]:
        batch = []
        for one in pulled:
            try:
                delivery = self._delivery(one.stored, sequence=one.stored.sequence, deliveries=one.deliveries)
            except Undecodable as error:
                self._metrics.undecodable.labels(self._contract.subject).inc()
                await self._bury(one, str(error))
            else:
                batch.append(_InHand(pulled=one, delivery=delivery))
        return batch

    def _delivery(self, packet: Packet, *, sequence: int, deliveries: int) -> Delivery[M]:
        headers = packet.headers
        return Delivery(
            message=decode(self._contract.message, packet.payload),
            event_id=headers.get(EVENT_ID) or headers.get(MESSAGE_ID, ""),
            subject=packet.subject,
            stream_sequence=sequence,
            deliveries=deliveries,
            headers=headers,
        )

    async def _try(self, batch: Sequence[Delivery[M]]) -> Exception | None:
        try:
            await self._call(batch)
        except Exception as error:  # noqa: BLE001  # supervises a handler: whatever it raises decides redelivery
            return error
        return None

    async def _call(self, batch: Sequence[Delivery[M]]) -> None:
        attributes: dict[str, str | bool | int | float] = {
            "messaging.batch.message_count": len(batch),
            "messaging.consumer.group.name": self._spec.durable,
        }
        parent = batch[0].headers
        name = f"process {self._contract.subject}"
        with span(name, kind=SpanKind.CONSUMER, parent=parent, attributes=attributes):
            await self._handler(batch)

    async def _settle_failure(self, one: _InHand[M], error: Exception) -> None:
        if isinstance(error, PermanentError):
            await self._bury(one.pulled, str(error) or type(error).__name__)
            return
        delay_s = _redelivery_s(one.pulled)
        _log.warning(
            "bus.handler_failed",
            consumer=self._spec.durable,
            event_id=one.delivery.event_id,
            deliveries=one.pulled.deliveries,
            again_in_s=delay_s,
            exc_info=error,
        )
        await self._hand_back(one.pulled, delay_s=delay_s)

    async def _bury(self, pulled: Pulled, error: str) -> None:
        """Move a message to the dead letters; when that fails it comes again."""
        try:
            await self._letters.put(self._spec.stream, pulled, error)
            await pulled.term()
        except BusUnavailable:
            await self._hand_back(pulled, delay_s=_redelivery_s(pulled))
            return
        _log.error("bus.dead_letter", consumer=self._spec.durable, subject=pulled.stored.subject, error=error)
        self._settled(pulled, "dead_letter")

    async def _ack(self, pulled: Pulled) -> None:
        try:
            await pulled.ack()
        except BusUnavailable:
            self._settled(pulled, "ack_lost")  # it comes again; handlers are idempotent
        else:
            self._settled(pulled, "acknowledged")

    async def _hand_back(self, pulled: Pulled, *, delay_s: float) -> None:
        self._settled(pulled, "handed_back")
        try:
            await pulled.nak(delay_s)
        except BusUnavailable:
            _log.debug("bus.hand_back_lost", consumer=self._spec.durable)  # it comes again after the ack wait

    def _settled(self, pulled: Pulled, how: str) -> None:
        self._unsettled.remove(pulled)
        self._metrics.handled.labels(self._spec.durable, how).inc()

    async def _keep_in_hand(self) -> None:
        """Tell the server that slow handlers still work on these, so that nobody else gets them meanwhile."""
        while True:
            await asyncio.sleep(self._spec.ack_wait_s / 3)
            for pulled in list(self._unsettled):
                try:
                    await pulled.working()
                except BusUnavailable:
                    break


def _redelivery_s(pulled: Pulled) -> float:
    return backoff_s(pulled.deliveries, first_s=0.2, most_s=60.0)
