"""Questions and answers: one answer or one refusal per question."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, TypeVar

import msgspec
import structlog

from roundhouse_common.bus.api import BusUnavailable, RemoteError
from roundhouse_common.bus.codec import Undecodable, decode, encode
from roundhouse_common.bus.metrics import BusMetrics
from roundhouse_common.bus.wire import Packet, Wire
from roundhouse_common.contracts.base import Message, Rpc
from roundhouse_common.errors import InvalidInput, RoundhouseError, Unavailable
from roundhouse_common.telemetry import SpanKind, span

__all__ = ["INBOX", "Answerer", "read_answer"]

Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message)

INBOX = "_INBOX."
_ERROR_CODE = "Nats-Service-Error-Code"
_HANDLER_S = 30.0
_log = structlog.get_logger("roundhouse.bus")


class _Refusal(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    status: int
    message: str


class Answerer(Generic[Q, R]):
    """Runs one handler for the questions of one contract and sends what it returns or refuses."""

    def __init__(
        self,
        wire: Wire,
        contract: Rpc[Q, R],
        handler: Callable[[Q, tuple[str, ...]], Awaitable[R]],
        *,
        metrics: BusMetrics,
    ) -> None:
        self._wire = wire
        self._contract = contract
        self._handler = handler
        self._metrics = metrics

    async def answer(self, packet: Packet) -> None:
        """Answer one question. Errors become refusals; a lost connection loses the answer."""
        if not packet.reply.startswith(INBOX):
            # Answering there would lend this service's permissions to whoever asks, e.g. to write into a bucket.
            _log.warning("bus.reply_subject_refused", subject=packet.subject, reply=packet.reply)
            return
        payload, headers = await self._outcome(packet)
        try:
            await self._wire.publish(packet.reply, payload, headers)
        except BusUnavailable:
            _log.info("bus.answer_lost", subject=packet.subject)

    async def _outcome(self, packet: Packet) -> tuple[bytes, Mapping[str, str]]:
        try:
            return encode(await self._call(packet)), {}
        except RoundhouseError as error:
            return _refusal(error.code, error.status, error.message)
        except TimeoutError:
            error_class = Unavailable
            return _refusal(error_class.code, error_class.status, f"no answer within {_HANDLER_S:g} s")
        except Exception:  # noqa: BLE001  # supervises a handler: the asker must get an answer, and the log the reason
            self._metrics.handler_errors.labels(self._contract.subject).inc()
            _log.exception("bus.answer_failed", subject=packet.subject)
            return _refusal("internal", 500, "the answering service failed; its log says why")

    async def _call(self, packet: Packet) -> R:
        try:
            question = decode(self._contract.request, packet.payload)
        except Undecodable as error:
            self._metrics.undecodable.labels(self._contract.subject).inc()
            raise InvalidInput(str(error)) from error
        ids = tuple(packet.subject.removeprefix(f"{self._contract.subject}.").split("."))
        name = f"answer {self._contract.subject}"
        with span(name, kind=SpanKind.SERVER, parent=packet.headers):
            async with asyncio.timeout(_HANDLER_S):
                return await self._handler(question, ids)


def _refusal(code: str, status: int, message: str) -> tuple[bytes, Mapping[str, str]]:
    return msgspec.json.encode(_Refusal(code=code, status=status, message=message)), {_ERROR_CODE: code}


def read_answer(contract: Rpc[Q, R], packet: Packet) -> R:
    """Return the answer in a packet. Raises RemoteError with what the other side refused."""
    if code := packet.headers.get(_ERROR_CODE):
        try:
            refusal = msgspec.json.decode(packet.payload, type=_Refusal)
        except msgspec.DecodeError as error:
            raise RemoteError(f"refused without a reason: {error}", code=code) from error
        raise RemoteError(refusal.message, code=refusal.code, status=refusal.status)
    try:
        return decode(contract.reply, packet.payload)
    except Undecodable as error:
        raise RemoteError(str(error), code="undecodable_answer") from error
