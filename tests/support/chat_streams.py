"""Chunks of OpenAI's chat streams, for tests of translators, and the events that come out."""

import itertools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from hypothesis import strategies as st

from tests.support.scripted_engine import DONE, sse, usage_chunk

__all__ = ["CAPTURED", "Translator", "calls", "captured", "chat_streams", "cuts", "events", "finished", "part", "run"]

CAPTURED = Path(__file__).parents[1] / "fixtures" / "llama_cpp_answers"
"""What a real llama.cpp (xllamacpp 2026.10.11549, SmolLM2) answered."""
cuts = st.lists(st.integers(0, 5000), max_size=12)


class Translator(Protocol):
    def feed(self, chunk: bytes) -> bytes: ...

    def finish(self) -> bytes: ...


def captured(name: str) -> bytes:
    return (CAPTURED / name).read_bytes()


def part(*, finish: str | None = None, **delta: Any) -> bytes:  # Any: JSON
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return sse(
        {"id": "chatcmpl-c1", "object": "chat.completion.chunk", "created": 7, "model": "served", "choices": [choice]}
    )


def calls(*pieces: Any) -> bytes:  # Any: JSON
    """Return a chunk with pieces of tool calls: (index, id, name, arguments), None where nothing is said."""
    made = []
    for index, call_id, name, arguments in pieces:
        function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
        made.append({"index": index, "function": function} | ({"id": call_id} if call_id else {}))
    return part(tool_calls=made)


def finished(reason: str = "stop", prompt: int = 9, completion: int = 4) -> bytes:
    return part(finish=reason) + usage_chunk(prompt, completion) + DONE


def run(translator: Translator, data: bytes, at: Iterable[int] = ()) -> bytes:
    """Feed a stream cut at these places."""
    places = sorted({place % (len(data) + 1) for place in at} | {0, len(data)})
    return b"".join([translator.feed(data[a:b]) for a, b in itertools.pairwise(places)]) + translator.finish()


def events(stream: bytes) -> list[Any]:  # Any: JSON documents
    """Return the data of server-sent events, each checked to have its own type as its name."""
    found = []
    for event in stream.decode().split("\n\n")[:-1]:
        name, data = event.split("\n")
        assert name.startswith("event: ")
        assert data.startswith("data: ")
        found.append(json.loads(data[6:]))
        assert found[-1]["type"] == name[7:]
    return found


_NASTY = ['"usage"', "data: [DONE]", "\n\nevent: x", "é\u2028\u2029", '\\"', "}", "a", "\x00", "🙂"]
_texts = st.sampled_from(_NASTY) | st.text(min_size=1, max_size=6)
_said = st.one_of(
    _texts.map(lambda text: part(content=text)),
    _texts.map(lambda text: part(reasoning_content=text)),
    _texts.map(lambda text: part(reasoning=text)),
    _texts.map(lambda text: part(refusal=text)),
    st.just(b": comment\n\n"),
)


@st.composite
def chat_streams(draw: st.DrawFn) -> bytes:
    """A stream as engines send it: texts and thoughts, then perhaps tool calls, then why it ended and usage."""
    parts = [part(role="assistant", content=None), *draw(st.lists(_said, max_size=6))]
    called = draw(st.lists(st.lists(_texts, max_size=3), max_size=3))
    for index, pieces in enumerate(called):
        parts.append(calls((index, f"id{index}", f"tool{index}", "")))
        parts += [calls((index, None, None, piece)) for piece in pieces]
    parts.append(finished(draw(st.sampled_from(["stop", "length", "tool_calls", "content_filter"]))))
    data = b"".join(parts)
    return data.replace(b"\n", b"\r\n") if draw(st.booleans()) else data
