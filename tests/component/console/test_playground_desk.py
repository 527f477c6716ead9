"""One open conversation against a router: answers, errors, tools, and that leaving ends what is being written."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from roundhouse_common.runtime import SystemClock
from roundhouse_console.clients.signed_in import SignedIn
from roundhouse_console.domain.conversations import Conversation, Listed, Model, Stored, shown_answer
from roundhouse_console.domain.errors import ConsoleError
from roundhouse_console.domain.session import PlaygroundKey
from roundhouse_console.pages.playground.desk import Desk
from tests.support.eventually import eventually


class Stream(httpx.AsyncByteStream):
    """An answer in pieces; without an end it waits for the reader to leave."""

    def __init__(self, *chunks: dict[str, Any], is_endless: bool = False) -> None:
        self._chunks = chunks
        self._is_endless = is_endless
        self.is_closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield b"data: " + json.dumps(chunk).encode() + b"\n\n"
        if self._is_endless:
            await asyncio.Event().wait()
        yield b"data: [DONE]\n\n"

    async def aclose(self) -> None:
        self.is_closed = True


@dataclass
class Router:
    """Gives the answers in their order and keeps what it was asked."""

    answers: list[httpx.Response]
    asked: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(json.loads(request.content))
        return self.answers.pop(0)


class Shelf:
    """Keeps conversations as the store does, in memory."""

    async def keep(self, known: Stored | None, conversation: Conversation) -> Stored:
        listed = Listed(id="cnv_1", title="", folder="", updated_at=cast("Any", 1.0))
        return Stored(listed=listed, revision=known.revision + 1 if known else 1, conversation=conversation)


class Known:
    """What the session remembers: that its key is there."""

    async def get(self, _name: str, _ask: Callable[[], Awaitable[object]], *, for_s: float) -> object:
        return for_s > 0


def streamed(stream: Stream) -> httpx.Response:
    return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=stream)


def said(text: str) -> dict[str, Any]:
    return {"choices": [{"delta": {"content": text}}]}


def desk_at(router: Router) -> Desk:
    clock = SystemClock()
    key = PlaygroundKey(key_id="key_1", secret="rh-x", expires_at=clock.now() + 9_000)
    person = SimpleNamespace(
        kept=SimpleNamespace(playground_key=key),
        cached=Known(),
        http=httpx.AsyncClient(transport=httpx.MockTransport(router)),
        addresses=SimpleNamespace(router="http://router"),
        conversations=Shelf(),
    )
    return Desk(cast("SignedIn", person), clock, None, Conversation(models=[Model(id="c0", name="smol")]))


def is_idle(desk: Desk) -> Callable[[], bool]:
    return lambda: not desk.is_busy


@pytest.mark.parametrize("how", ["stop", "leave"])
async def test_stopping_or_leaving_closes_the_stream_and_keeps_what_came(how: str) -> None:
    stream = Stream(said("Once upon"), is_endless=True)
    desk = desk_at(Router([streamed(stream)]))
    desk.send("A story", [])
    turn = desk.conversation.turns[0]
    await eventually(lambda: bool((found := shown_answer(turn, "c0")) and found.text))
    getattr(desk, how)()
    await eventually(is_idle(desk))
    answer = shown_answer(turn, "c0")
    assert answer is not None
    assert (stream.is_closed, answer.text, answer.finish) == (True, "Once upon", "stopped")
    assert answer.figures.first_s is not None


async def test_stopping_before_anything_was_asked_leaves_nothing_in_work() -> None:
    router = Router([])
    desk = desk_at(router)
    desk.send("A story", [])
    desk.stop()
    await eventually(is_idle(desk))
    assert (router.asked, desk.stamps) == ([], {"c0": {}})


async def test_an_error_shows_and_trying_again_replaces_it() -> None:
    error = {"error": {"message": "Over the limit.", "code": "rate_limit_exceeded"}}
    router = Router([httpx.Response(429, json=error, headers={"retry-after": "3"}), streamed(Stream(said("Hi")))])
    desk = desk_at(router)
    desk.send("Hello", [])
    await eventually(is_idle(desk))
    turn = desk.conversation.turns[0]
    failed = shown_answer(turn, "c0")
    assert failed is not None
    assert (failed.trouble, failed.trouble_code) == ("Over the limit. (again in 3 s)", "rate_limit_exceeded")
    desk.again(turn, desk.conversation.models[0])
    await eventually(is_idle(desk))
    assert [one.text for one in turn.replies["c0"].versions] == ["Hi"]


async def test_a_tools_result_goes_back_and_the_answer_goes_on() -> None:
    call = {"index": 0, "id": "a", "function": {"name": "weather", "arguments": "{}"}}
    router = Router(
        [streamed(Stream({"choices": [{"delta": {"tool_calls": [call]}}]})), streamed(Stream(said("It is sunny.")))]
    )
    desk = desk_at(router)
    desk.send("Weather?", [])
    await eventually(is_idle(desk))
    turn, column = desk.conversation.turns[0], desk.conversation.models[0]
    desk.give_result(turn, column, "a", "sunny")
    await eventually(is_idle(desk))
    answer = shown_answer(turn, "c0")
    assert answer is not None
    assert (len(answer.steps), answer.text) == (2, "It is sunny.")
    assert [one["role"] for one in router.asked[1]["messages"]] == ["user", "assistant", "tool"]


async def test_editing_a_prompt_goes_on_from_there() -> None:
    router = Router([streamed(Stream(said(text))) for text in ("1", "2", "3")])
    desk = desk_at(router)
    for prompt in ("One", "Two"):
        desk.send(prompt, [])
        await eventually(is_idle(desk))
    desk.edit(desk.conversation.turns[0], "Uno")
    await eventually(is_idle(desk))
    assert [turn.text for turn in desk.conversation.turns] == ["Uno"]
    assert router.asked[-1]["messages"] == [{"role": "user", "content": "Uno"}]


async def test_a_conversation_that_cannot_be_kept_is_told() -> None:
    desk = desk_at(Router([streamed(Stream(said("Hi")))]))
    told: list[ConsoleError | None] = []

    async def refuse(_known: Stored | None, _conversation: Conversation) -> Stored:
        raise ConsoleError("too large")

    setattr(desk.person.conversations, "keep", refuse)  # noqa: B010 - the real one is a method
    desk.on_kept = told.append
    desk.send("Hello", [])
    await eventually(is_idle(desk))
    assert str(told[0]) == "too large"
