"""Dead letters over REST, the same for every service that consumes events: list, show, replay, discard."""

import base64
import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from roundhouse_common.auth import Subject
from roundhouse_common.bus.api import Consumer, PermanentError
from roundhouse_common.bus.codec import Undecodable
from roundhouse_common.contracts.operations import DeadLetter
from roundhouse_common.errors import Conflict, NotFound
from roundhouse_common.http.pages import Page, PageRequest, page_of, page_request
from roundhouse_common.http.permissions import requires
from roundhouse_common.http.times import Timestamp
from roundhouse_common.http.trail import mark_told

__all__ = ["DeadLetterDetail", "DeadLetterSummary", "ReplayFailed", "dead_letter_routes"]

_Administrator = Annotated[Subject, Depends(requires("platform:admin"))]


class ReplayFailed(Conflict):
    """The handler refused the message again; the letter stays."""

    code = "replay_failed"


class DeadLetterSummary(BaseModel):
    """A message that a consumer gave up on."""

    letter_id: str
    at: Timestamp
    consumer: str = Field(description="The durable consumer that gave up.")
    subject: str
    stream: str
    stream_sequence: int
    deliveries: int
    error: str


class DeadLetterDetail(DeadLetterSummary):
    """A dead letter whole."""

    headers: dict[str, str]
    payload_encoding: Literal["json", "base64"]
    payload: Any  # Any: whatever was published


def dead_letter_routes(consumers: Sequence[Consumer]) -> APIRouter:
    """Return the routes below /api/v1 for the letters of these consumers."""
    routes = APIRouter(prefix="/api/v1/dead-letters", tags=["dead letters"])

    async def find(letter_id: str) -> tuple[Consumer, DeadLetter]:
        for consumer in consumers:
            for letter in await consumer.letters():
                if letter.letter_id == letter_id:
                    return consumer, letter
        raise NotFound(f"There is no dead letter {letter_id}; it may have been replayed or discarded.")

    @routes.get("")
    async def list_dead_letters(
        _subject: _Administrator, page: Annotated[PageRequest, Depends(page_request)]
    ) -> Page[DeadLetterSummary]:
        """List the letters, the oldest first."""
        letters = [letter for consumer in consumers for letter in await consumer.letters()]
        letters.sort(key=_order)
        rest = [letter for letter in letters if page.after is None or _order(letter) > page.after]
        return page_of(rest[: page.fetch], page, key=_order, item=_summary)

    @routes.get("/{letter_id}")
    async def get_dead_letter(_subject: _Administrator, letter_id: str) -> DeadLetterDetail:
        """Show one letter with its headers and payload."""
        return _detail((await find(letter_id))[1])

    @routes.post("/{letter_id}:replay", status_code=204)
    async def replay_dead_letter(_subject: _Administrator, letter_id: str) -> None:
        """Process the message again; the letter is gone when that succeeds, else it stays (409)."""
        consumer, _ = await find(letter_id)
        try:
            await consumer.replay(letter_id)
        except LookupError:
            raise NotFound(f"There is no dead letter {letter_id} any more; somebody else replayed it.") from None
        except (PermanentError, Undecodable) as error:
            raise ReplayFailed(f"It was refused again: {error}") from error

    @routes.delete("/{letter_id}", status_code=204)
    async def discard_dead_letter(
        _subject: _Administrator,
        letter_id: str,
        reason: Annotated[str, Query(min_length=1, max_length=500, description="For the audit: why it may be lost.")],
    ) -> None:
        """Give a letter up, for good: what it says happens nowhere. The audit keeps who did it and why."""
        consumer, letter = await find(letter_id)
        gone = (
            f"{reason} ({letter.consumer}, message {letter.stream_sequence} of {letter.stream}: {letter.error[:500]})"
        )
        mark_told(object_name=letter.subject, change=json.dumps({"detail": [None, gone]}, ensure_ascii=False))
        try:
            await consumer.discard(letter_id)
        except LookupError:
            raise NotFound(f"There is no dead letter {letter_id} any more; somebody else was faster.") from None

    return routes


def _order(letter: DeadLetter) -> str:
    return f"{letter.at:020.6f}/{letter.letter_id}"


def _summary(letter: DeadLetter) -> DeadLetterSummary:
    return DeadLetterSummary(**{name: getattr(letter, name) for name in DeadLetterSummary.model_fields})


def _detail(letter: DeadLetter) -> DeadLetterDetail:
    encoding: Literal["json", "base64"] = "json"
    try:
        payload = msgspec.json.decode(letter.payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        encoding, payload = "base64", base64.b64encode(letter.payload).decode()
    return DeadLetterDetail(
        **_summary(letter).model_dump(), headers=letter.headers, payload_encoding=encoding, payload=payload
    )
