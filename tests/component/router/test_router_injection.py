"""Hostile values in every member of every inference request, in paths, queries, headers and forms of the router.

Nothing fails, no head is split on the way back to the client or on the way to the engine, and nothing of the client's
becomes a header there.
"""

import asyncio
import itertools
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio

from tests.component.router.test_router_isolation import BODIES, told
from tests.support.hostile import FILE_NAMES, HOSTILE, Arsenal, nest
from tests.support.media import FORM, form, wav
from tests.support.openapi_calls import Call, put
from tests.support.running_router import SECRET, Fleet, RunningRouter
from tests.support.scripted_engine import Engine

pytestmark = pytest.mark.contract("E03")

TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CHAT = {
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "hi"}], "name": "n"},
        {"role": "assistant", "content": "a", "tool_calls": [CALL]},
        {"role": "tool", "content": "b", "tool_call_id": "call_1"},
    ],
    "tools": [TOOL], "tool_choice": "auto", "stop": ["x"], "user": "u", "metadata": {"a": "b"}, "temperature": 0.5,
    "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {}}}, "max_tokens": 5, "n": 1,
    "stream": False, "stream_options": {"include_usage": True}, "seed": 1, "logit_bias": {"1": 1}, "store": False,
    "prompt_cache_key": "k", "service_tier": "auto", "extra_body": {"a": "b"}, "cache_salt": "s", "top_p": 1,
}  # fmt: skip
OLLAMA = {
    "options": {"num_predict": 5, "stop": ["x"], "seed": 1},
    "format": "json",
    "keep_alive": "5m",
    "stream": False,
}
RICH: dict[str, Any] = {  # Any: JSON
    "/v1/chat/completions": CHAT,
    "/v1/completions": {"prompt": ["a"], "suffix": "s", "stop": "x", "user": "u", "echo": False, "logprobs": 1, "n": 1},
    "/v1/embeddings": {"input": ["a"], "encoding_format": "float", "dimensions": 3, "user": "u"},
    "/v1/rerank": {"query": "q", "documents": ["a", {"text": "b"}], "top_n": 1, "return_documents": True},
    "/v1/score": {"text_1": "a", "text_2": ["b"], "encoding_format": "float"},
    "/v1/messages": {
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi", "cache_control": {"type": "a"}}]}],
        "system": [{"type": "text", "text": "s"}], "max_tokens": 5, "stop_sequences": ["x"], "stream": False,
        "tools": [{"name": "f", "description": "d", "input_schema": {}}], "tool_choice": {"type": "tool", "name": "f"},
        "metadata": {"user_id": "u"}, "thinking": {"type": "enabled", "budget_tokens": 1}, "top_k": 1,
    },
    "/v1/messages/count_tokens": {"messages": [{"role": "user", "content": "hi"}], "system": "s"},
    "/v1/responses": {
        "input": [{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}], "instructions": "i",
        "previous_response_id": "resp_1", "tools": [{"type": "function", "name": "f", "parameters": {}}],
        "text": {"format": {"type": "text"}}, "reasoning": {"effort": "low"}, "metadata": {"a": "b"}, "store": False,
        "include": ["x"], "truncation": "auto", "conversation": "c", "background": False, "prompt": {"id": "p"},
    },
    "/v1/audio/speech": {"input": "hi", "voice": "v", "response_format": "mp3", "speed": 1, "instructions": "i"},
    "/v1/images/generations": {"prompt": "p", "size": "1x1", "quality": "q", "style": "s", "n": 1, "user": "u"},
    "/api/chat": {"messages": [{"role": "user", "content": "hi", "images": ["aGk="]}], "tools": [TOOL], **OLLAMA},
    "/api/generate": {"prompt": "hi", "system": "s", "template": "t", "suffix": "x", "context": [1], **OLLAMA},
    "/api/embed": {"input": ["a"], "truncate": True, "keep_alive": 5},
    "/api/embeddings": {"prompt": "a"},
    "/api/show": {"name": "tiny", "verbose": True},
}  # fmt: skip
FORMS = sorted(path for path, body in BODIES.items() if isinstance(body, bytes))
ANSWERED_WITH = re.compile(
    rb"(content-(type|length)|date|server|connection|transfer-encoding|cache-control|age|allow|retry-after|keep-alive"
    rb"|www-authenticate|request-id|x-(request-id|should-retry)|x-roundhouse-[a-z-]+|x-ratelimit-[a-z-]+"
    rb"|idempotent-replayed|x-accel-buffering|anthropic-[a-z-]+|openai-[a-z-]+)"
)
ASKED_WITH = {
    "host", "content-type", "content-length", "accept", "authorization", "x-request-id", "traceparent", "tracestate",
    "transfer-encoding", "user-agent", "anthropic-version", "accept-encoding", "connection",
}  # fmt: skip


@dataclass
class Target:
    """A router with one engine that answers everything, and what was wrong."""

    router: RunningRouter
    engine: Engine
    wrong: list[str]

    async def fire(self, call: Call, *, body: bytes | None = None) -> int:
        """Send the bytes of the request on a connection of its own, and judge those of the answer."""
        content = call.raw_body if body is None else body
        headers = [(b"host", b"h"), (b"content-length", b"%d" % len(content)), (b"connection", b"close")]
        if "authorization" not in call.headers:
            headers.append((b"authorization", f"Bearer {SECRET}".encode()))
        target = call.raw_path + (b"?" + call.raw_query if call.raw_query else b"")
        head = b"%b %b HTTP/1.1\r\n" % (call.method.encode(), target)
        head += b"".join(b"%b: %b\r\n" % one for one in [*headers, *call.raw_headers])
        reader, writer = await asyncio.open_connection("127.0.0.1", self.router.service.port)
        writer.write(head + b"\r\n" + content)
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        return self._judged(answer, f"{head!r} {content[:500]!r}")

    def _judged(self, answer: bytes, sent: str) -> int:
        first, *lines = answer.partition(b"\r\n\r\n")[0].split(b"\r\n")
        status = int(first.split()[1])
        strange = [line for line in lines if not ANSWERED_WITH.fullmatch(line.partition(b":")[0])]
        if status >= 500 or strange:
            self.wrong.append(f"{status} {strange} {answer[-300:]!r} to {sent}")
        for exchange in self.engine.exchanges:
            if (
                not exchange.headers.keys() <= ASKED_WITH
                or exchange.headers["authorization"] != "Bearer engine-secret-1"
            ):
                self.wrong.append(f"the engine was sent {exchange.headers} for {sent}")
            if SECRET.encode() in exchange.body:
                self.wrong.append(f"the engine was sent the key, for {sent}")
        self.engine.exchanges.clear()
        return status


@pytest_asyncio.fixture
async def target(tmp_path: Path) -> AsyncIterator[Target]:
    async with Engine(told) as engine, Fleet() as fleet, RunningRouter(tmp_path, fleet) as router:
        await fleet.serve(engine)
        await router.ready()
        yield Target(router, engine, [])


def calls() -> list[Call]:
    return [
        Call(
            service="router", method="POST", path=path, body={"model": "tiny", **body}, content_type="application/json"
        )
        for path, body in RICH.items()
    ]


async def fire_everywhere(target: Target, seed: int, *, shots: int) -> None:
    arsenal, answered = Arsenal(seed), 0
    for call in calls():
        answered += await target.fire(call) == 200
        for place, _ in itertools.product(call.places(), range(shots)):
            await target.fire(put(call, place, arsenal.value()))
        for _ in range(shots):  # members that nobody has heard of
            await target.fire(replace(call, body={**call.body, arsenal.text(): arsenal.value()}))
    assert target.wrong == [], f"seed {seed}"
    assert answered > 5, "most requests are refused as they are"


def test_every_endpoint_is_fired_at() -> None:
    assert RICH.keys() | set(FORMS) == BODIES.keys()


async def test_no_member_breaks_or_splits_anything(target: Target) -> None:
    await fire_everywhere(target, 2026, shots=2)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(5))
async def test_no_member_breaks_or_splits_anything_however_often(target: Target, seed: int) -> None:
    await fire_everywhere(target, seed, shots=30)


async def test_no_name_of_a_model_breaks_or_splits_anything(target: Target) -> None:
    """It is looked for, shown in errors and records, and is in addresses."""
    everything = list(itertools.chain(*HOSTILE.values()))
    for call, name in itertools.product(calls()[:1] + calls()[-4:], everything):
        await target.fire(replace(call, body={**call.body, "model": name}))
    for name in everything:
        path = f"/v1/models/{quote(name.encode('utf-8', 'surrogatepass'), safe='')}"
        assert await target.fire(Call(service="router", method="GET", path=path)) == 404
        await target.fire(Call(service="router", method="GET", path="/v1/models", query={"after": name}))
    assert target.wrong == []


HEADERS = (
    "authorization", "x-api-key", "x-request-id", "traceparent", "tracestate", "user-agent", "accept", "cache-control",
    "idempotency-key", "x-roundhouse-priority", "x-forwarded-for", "forwarded", "content-type", "content-encoding",
    "expect", "anthropic-version", "anthropic-beta", "openai-organization", "x-session-id", "x-tenant-id", "cookie",
    "te", "upgrade", "trailer",
)  # fmt: skip


async def test_no_header_breaks_or_splits_anything(target: Target) -> None:
    chat, everything = calls()[0], list(itertools.chain(*HOSTILE.values()))
    for header, text in ((name, text) for name in HEADERS for text in Arsenal(len(name)).sample(everything, 40)):
        call = replace(chat, content_type="" if header == "content-type" else chat.content_type)
        await target.fire(replace(call, headers={header: text}))
    assert target.wrong == []


async def test_no_form_breaks_or_splits_anything(target: Target) -> None:
    """File names, fields and their names as they are, with line ends and NUL."""
    for path, text in itertools.product(FORMS, (*FILE_NAMES, *HOSTILE["lines"], *HOSTILE["unicode"][:4])):
        raw = text.encode("utf-8", "surrogatepass")
        name = raw.decode("latin-1").replace('"', "%22")
        call = Call(service="router", method="POST", path=path, content_type=FORM)
        several: list[list[tuple[str, bytes] | tuple[str, bytes, str]]] = [
            [("model", b"tiny"), ("file", wav(50), name), ("image", b"x", name)],
            [("model", b"tiny"), (name, raw), ("prompt", raw), ("language", raw), ("file", wav(50), "a.wav")],
            [("model", raw), ("file", wav(50), "a.wav"), ("image", b"x", "a.png")],
        ]
        for parts in several:
            await target.fire(call, body=form(*parts).replace(name.encode(), raw))
    assert target.wrong == []


@pytest.mark.parametrize("depth", [100, 1_000, 100_000])
async def test_no_depth_of_nesting_breaks_anything(target: Target, depth: int) -> None:
    for call, member in itertools.product(calls(), ("messages", "input", "prompt", "metadata", "tools", "x")):
        for closed in (True, False):
            await target.fire(call, body=b'{"model":"tiny","%b":%b}' % (member.encode(), nest(depth, closed=closed)))
    assert target.wrong == []
