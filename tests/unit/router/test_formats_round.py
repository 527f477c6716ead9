"""Our own Anthropic API and our reading of Anthropic's, back to back: two translators that share nothing."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from roundhouse_common.contracts.usage import Operation
from roundhouse_router.dialects.anthropic import ANTHROPIC
from roundhouse_router.formats.anthropic import AnthropicFormat
from tests.support.cut_streams import CUTS, events_of, translated
from tests.support.hand_clock import HandClock
from tests.support.scripted_engine import DONE, sse

FORMAT = AnthropicFormat(HandClock())
TEXTS = st.lists(st.text(min_size=1, max_size=5), max_size=4)
NAMES = st.text("abc_", min_size=1, max_size=4)
CALLS = st.lists(
    st.tuples(NAMES, st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=3))), max_size=3
)
BODY = b'{"model":"m","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"hi"}]}'


def delta(finish: str | None = None, **said: Any) -> bytes:  # Any: JSON
    return sse({"id": "c", "model": "m", "choices": [{"index": 0, "delta": said, "finish_reason": finish}]})


def stream_of(thoughts: list[str], words: list[str], calls: list[tuple[str, dict[str, Any]]]) -> bytes:
    data = delta(role="assistant", content="") + b"".join(delta(reasoning_content=thought) for thought in thoughts)
    data += b"".join(delta(content=word) for word in words)
    for number, (name, arguments) in enumerate(calls):
        begun = {"index": number, "id": f"c{number}", "type": "function", "function": {"name": name, "arguments": ""}}
        data += delta(tool_calls=[begun])
        for piece in json.dumps(arguments):
            data += delta(tool_calls=[{"index": number, "function": {"arguments": piece}}])
    usage = {"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 5}}
    return data + delta("tool_calls" if calls else "stop") + sse({"choices": [], "usage": usage}) + DONE


def read(stream: bytes) -> tuple[str, str, list[tuple[str, str, Any]], str, Any]:
    """Return the thoughts, the text, the calls, the reason and the usage of OpenAI's stream."""
    thoughts, text, finish, usage = "", "", "", None
    calls: dict[int, list[str]] = {}
    for event in events_of(stream)[:-1]:
        usage = event.get("usage") or usage
        for choice in event["choices"]:
            said = choice["delta"]
            thoughts += said.get("reasoning_content") or ""
            text += said.get("content") or ""
            finish = choice["finish_reason"] or finish
            for call in said.get("tool_calls", ()):
                held = calls.setdefault(call["index"], ["", "", ""])
                held[0] += call.get("id") or ""
                held[1] += call["function"].get("name") or ""
                held[2] += call["function"].get("arguments") or ""
    return thoughts, text, [(call[0], call[1], json.loads(call[2])) for call in calls.values()], finish, usage


@given(TEXTS, TEXTS, CALLS, CUTS, CUTS)
def test_a_stream_there_and_back_says_the_same(
    thoughts: list[str],
    words: list[str],
    calls: list[tuple[str, dict[str, Any]]],
    at: list[int],
    again: list[int],
) -> None:
    request = ANTHROPIC.read(BODY, "/v1/messages")
    there = translated(ANTHROPIC.stream(request), stream_of(thoughts, words, calls), at)
    back = read(translated(FORMAT.stream("m", Operation.CHAT), there, again))
    assert back[:2] == ("".join(thoughts), "".join(words))
    assert [call[1:] for call in back[2]] == calls
    assert back[3] == ("tool_calls" if calls else "stop")
    usage = back[4]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (9, 4)
    assert usage["prompt_tokens_details"]["cached_tokens"] == 5


def test_a_request_there_and_back_asks_the_same() -> None:
    call = {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}}
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    asked = {
        "model": "m",
        "max_tokens": 9,
        "system": "be kind",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "what?"}, image]},
            {"role": "assistant", "content": [{"type": "text", "text": "hm"}, call]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "one"}]},
        ],
        "tools": [{"name": "f", "input_schema": {"type": "object", "properties": {}}}],
        "tool_choice": {"type": "any"},
        "stop_sequences": ["x"],
        "temperature": 0.5,
    }
    request = ANTHROPIC.read(json.dumps(asked).encode(), "/v1/messages")
    body = FORMAT.request(ANTHROPIC.to_openai(request), "m", Operation.CHAT, is_stream=False).body
    told = json.loads(body)
    result = told["messages"][2]["content"][0]
    assert result.pop("content") in ("one", [{"type": "text", "text": "one"}])
    del asked["messages"][2]["content"][0]["content"]  # type: ignore[index] # the two ways to say it were compared
    assert told == asked
