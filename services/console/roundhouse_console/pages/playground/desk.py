"""One open conversation: what is being asked, stopped, asked again; and that it is kept."""

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from dataclasses import replace
from typing import Final

from roundhouse_common.runtime import Clock
from roundhouse_console.clients.chat import Chat, record_of
from roundhouse_console.clients.signed_in import SignedIn
from roundhouse_console.domain.chatting import Gathering, body_of
from roundhouse_console.domain.conversations import (
    Answer,
    Conversation,
    Figures,
    Model,
    Reply,
    Step,
    Stored,
    Turn,
    next_turn_id,
    shown_answer,
)
from roundhouse_console.domain.errors import ConsoleError, Refused
from roundhouse_console.domain.usage import tokens_of

__all__ = ["Desk"]

_FLUSH_S: Final = 0.12
"""How often a browser is sent what came: eight times a second look continuous and cost little."""
STOPPED: Final = "stopped"


class Desk:
    """`on_change` is told that a column shows something else, `on_grow` what to append, `on_kept` what was kept."""

    def __init__(self, person: SignedIn, clock: Clock, known: Stored | None, new: Conversation) -> None:
        self.person = person
        self._clock = clock
        self._numbers = itertools.count(1)
        self.known = known
        self.conversation = known.conversation if known is not None else new
        self._runs: dict[str, asyncio.Task[None]] = {}
        self._later: set[asyncio.Task[None]] = set()
        self._keeping = asyncio.Lock()
        self.stamps: dict[str, dict[str, str]] = {}
        """By column and turn: the stamp of the answer that is being written."""
        self.on_change: Callable[[], None] = _nothing
        self.on_grow: Callable[[str, str, str, str], None] = _ignore
        self.on_kept: Callable[[ConsoleError | None], None] = _ignore_one

    @property
    def is_busy(self) -> bool:
        return bool(self._runs)

    def send(self, text: str, images: list[str]) -> None:
        """Ask every model."""
        turn = Turn(id=next_turn_id(self.conversation), text=text, images=images)
        self.conversation.turns.append(turn)
        self._ask_all(turn)

    def edit(self, turn: Turn, text: str) -> None:
        """Ask something else at this place; what came after it is gone."""
        place = self.conversation.turns.index(turn)
        del self.conversation.turns[place + 1 :]
        turn.text = text
        turn.replies.clear()
        self._ask_all(turn)

    def again(self, turn: Turn, column: Model) -> None:
        """Ask for another version; one that failed without a word is replaced."""
        reply = turn.replies.setdefault(column.id, Reply())
        shown = shown_answer(turn, column.id)
        if shown is not None and shown.trouble and not shown.text:
            reply.versions.remove(shown)
        self._ask(turn, column)

    def correct(self, turn: Turn, column: Model, text: str) -> None:
        """Put another answer in the model's mouth, as a version of its own."""
        reply = turn.replies[column.id]
        reply.versions.append(Answer(model=column.name, steps=[Step(text=text)]))
        reply.shown = len(reply.versions) - 1
        self.changed()

    def choose_version(self, turn: Turn, column: Model, version: int) -> None:
        reply = turn.replies[column.id]
        reply.shown = min(max(version, 0), len(reply.versions) - 1)
        self.changed()

    def give_result(self, turn: Turn, column: Model, call_id: str, result: str) -> None:
        """Say what a tool gave; once all have, the model goes on."""
        answer = shown_answer(turn, column.id)
        if answer is None or not answer.steps:
            return
        for call in answer.steps[-1].calls:
            if call.id == call_id and call.result is None:
                call.result = result
                break
        if answer.waits_for_tools:
            self.changed()
        else:
            self._run(turn, column, answer)

    def stop(self) -> None:
        """End every request at once."""
        for run in self._runs.values():
            run.cancel()

    def renamed(self, found: Stored | None) -> None:
        """Take over the new title and folder."""
        if self.known is not None and found is not None:
            self.known = replace(self.known, listed=found.listed)

    def leave(self) -> None:
        """Nobody looks any more: end the requests, tell nobody."""
        self.on_change, self.on_grow, self.on_kept = _nothing, _ignore, _ignore_one
        self.stop()

    def changed(self) -> None:
        """Show and keep what is there now."""
        self.on_change()
        self._go(self._keep())

    def _ask_all(self, turn: Turn) -> None:
        for column in self.conversation.models:
            self._ask(turn, column)

    def _ask(self, turn: Turn, column: Model) -> None:
        reply = turn.replies.setdefault(column.id, Reply())
        answer = Answer(model=column.name)
        reply.versions.append(answer)
        reply.shown = len(reply.versions) - 1
        self._run(turn, column, answer)

    def _run(self, turn: Turn, column: Model, answer: Answer) -> None:
        if column.id in self._runs:
            return
        gathering = Gathering()
        answer.steps.append(gathering.step)
        answer.trouble = answer.trouble_code = answer.finish = ""
        stamp = f"{turn.id}-{next(self._numbers)}"
        self.stamps.setdefault(column.id, {})[turn.id] = stamp
        run = self._runs[column.id] = asyncio.create_task(self._write(turn, column, answer, gathering))
        run.add_done_callback(lambda _: self._over(turn, column))
        self.on_change()

    def _over(self, turn: Turn, column: Model) -> None:
        """A request that was stopped before its first step leaves nothing behind either."""
        self.stamps[column.id].pop(turn.id, None)
        if self._runs.pop(column.id, None) is not None:
            self.changed()

    async def _write(self, turn: Turn, column: Model, answer: Answer, gathering: Gathering) -> None:
        chat, began_at = Chat(self.person, self._clock), self._clock.now()
        try:
            await self._read(chat, turn, column, answer, gathering)
        except asyncio.CancelledError:
            gathering.finish = STOPPED
        except Refused as error:
            gathering.trouble, gathering.trouble_code = str(error), error.code
        except (ConsoleError, ValueError) as error:
            gathering.trouble = str(error)
        answer.finish = gathering.finish
        answer.trouble, answer.trouble_code = gathering.trouble, gathering.trouble_code
        figures = answer.figures
        figures.input_tokens = _sum(figures.input_tokens, gathering.input_tokens)
        figures.output_tokens = _sum(figures.output_tokens, gathering.output_tokens)
        if gathering.trouble and not gathering.step.text and not gathering.step.calls:
            answer.steps.remove(gathering.step)
        self.stamps[column.id].pop(turn.id, None)
        self._runs.pop(column.id, None)
        self.changed()
        if chat.request_id and not gathering.trouble:
            self._go(self._meter(chat.request_id, began_at, figures))

    async def _read(self, chat: Chat, turn: Turn, column: Model, answer: Answer, gathering: Gathering) -> None:
        if self.known is None:
            await self._keep()
        began = flushed = self._clock.monotonic()
        first: float | None = None
        held = ["", ""]
        body = body_of(self.conversation, column.id, column.name, turn, answer)
        try:
            async with aclosing(chat.stream(body)) as chunks:
                async for chunk in chunks:
                    added = gathering.take(chunk)
                    now = self._clock.monotonic()
                    if first is None and (any(added) or gathering.step.calls):
                        first = now
                        answer.figures.first_s = first - began
                    held = [held[0] + added[0], held[1] + added[1]]
                    if any(held) and now - flushed >= _FLUSH_S:
                        self.on_grow(column.id, self.stamps[column.id][turn.id], *held)
                        held, flushed = ["", ""], now
        finally:
            gathering.end()
            if first is not None:
                answer.figures.writing_s += self._clock.monotonic() - first

    async def _meter(self, request_id: str, began_at: float, figures: Figures) -> None:
        """Put what metering recorded of a request beside its answer."""
        try:
            record = await record_of(self.person, request_id, began_at)
        except ConsoleError:
            return  # the cost stays unknown, which shows
        if record is None:
            return
        figures.is_metered = True
        if record.get("cost_nano") is not None:
            figures.cost_nano = (figures.cost_nano or 0) + int(record["cost_nano"])
            figures.currency = str(record.get("currency") or "")
        if figures.output_tokens is None:
            figures.input_tokens, figures.output_tokens = tokens_of(record)
        if not self.is_busy:
            self.changed()

    async def _keep(self) -> None:
        async with self._keeping:
            try:
                self.known = await self.person.conversations.keep(self.known, self.conversation)
            except ConsoleError as error:
                self.on_kept(error)
            else:
                self.on_kept(None)

    def _go(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._later.add(task)
        task.add_done_callback(self._later.discard)


def _sum(known: int | None, more: int | None) -> int | None:
    return known if more is None else more + (known or 0)


def _nothing() -> None:
    pass


def _ignore(_column: str, _stamp: str, _reasoning: str, _text: str) -> None:
    pass


def _ignore_one(_error: ConsoleError | None) -> None:
    pass
