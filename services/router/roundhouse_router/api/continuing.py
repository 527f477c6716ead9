"""Going on with a stream at another engine, where its route says so (`is_continued`)."""

from collections.abc import Awaitable, Callable, Mapping

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.contracts.usage import Operation
from roundhouse_router.api.answers import Live
from roundhouse_router.api.attempts import Attempts
from roundhouse_router.api.flight import Flight
from roundhouse_router.domain.continuing import CONTINUES, Continued, Story, continued_body, may_continue
from roundhouse_router.domain.tokens import NO_TOKENS, TokenCounts

__all__ = ["Sequel"]

GoOn = Callable[[Callable[[EngineKind], bytes | None]], Awaitable[Live | None]]


class Sequel:
    """What one stream has said, and how it goes on."""

    def __init__(self, flight: Flight, live: Live, go_on: GoOn) -> None:
        self._flight = flight
        self._go_on = go_on
        self._story = Story()
        self._tail = b""
        self._fitted: Continued | None = None
        asked = live.course.told_in_openai
        assert asked is not None
        self._members = asked.members

    @classmethod
    def of(cls, flight: Flight, live: Live, attempts: Attempts, headers: Mapping[bytes, bytes]) -> "Sequel | None":
        """Return one for a stream that may be continued; None: it ends when its engine dies."""
        if not flight.resolution.route.is_continued or flight.interface.operation is not Operation.CHAT:
            return None
        asked = live.course.told_in_openai
        endpoint = flight.candidate.endpoint if flight.candidate is not None else None
        if asked is None or endpoint is None or endpoint.engine not in CONTINUES:
            return None
        if not may_continue(asked.members, asked.choices):
            return None
        return cls(flight, live, lambda body_for: attempts.go_on(flight, headers, body_for))

    def hear(self, piece: bytes) -> bytes:
        """Take in what an engine sent, and return it as the client's stream needs it: in whole events, so that another
        engine's first event never falls into the half of one."""
        data = self._tail + piece
        plain, dos = data.rfind(b"\n\n"), data.rfind(b"\r\n\r\n")
        cut = max(plain + 2 if plain >= 0 else 0, dos + 4 if dos >= 0 else 0)
        events, self._tail = data[:cut], data[cut:]
        return self._heard(events)

    def rest(self) -> bytes:
        """Return what is left when an engine has ended its stream: an event without an end."""
        tail, self._tail = self._tail, b""
        return self._heard(tail)

    def _heard(self, events: bytes) -> bytes:
        fitted = events if self._fitted is None else self._fitted.feed(events)
        self._story.feed(fitted)
        return fitted

    async def next(self, so_far: TokenCounts | None) -> Live | None:
        """Return the stream that goes on where this one broke off; None: there is none."""
        story = self._story
        if not story.can_go_on:
            return None
        self._tail = b""  # half an event: nobody has seen it
        before = self.total(so_far) or NO_TOKENS
        spent = before.all_output
        live = await self._go_on(lambda engine: continued_body(self._members, story.text, engine, spent))
        if live is not None:
            self._flight.continuations += 1
            self._fitted = Continued(story.chunk_id, before)
        return live

    def total(self, so_far: TokenCounts | None) -> TokenCounts | None:
        """Return the tokens of all engines, from what was read of the last one's stream."""
        if self._fitted is None or so_far is None or not so_far.all_input:
            return so_far  # text is counted over the whole stream; figures are those of one engine
        return self._fitted.total(so_far)
