"""OpenAI's answers and streams as Ollama's clients read them, cut anywhere."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_router.dialects.ollama import OllamaDialects
from roundhouse_router.domain.errors import Internal, UpstreamFailed
from roundhouse_router.domain.formats import NDJSON, StreamTranslator
from tests.support.cut_streams import CUTS, lines_of, translated
from tests.support.hand_clock import HandClock
from tests.support.scripted_engine import DONE, chunk, sse, usage_chunk

pytestmark = pytest.mark.contract("D11")

CHAT = b'{"model":"tiny:latest","messages":[{"role":"user","content":"hi"}]}'
PROMPT = b'{"model":"tiny","prompt":"hi"}'
WORDS = st.lists(st.text(min_size=1, max_size=6) | st.sampled_from(['"usage"', "data: [DONE]", "\n\n", "\u2028"]))


def stream(path: str = "/api/chat", body: bytes = CHAT, clock: HandClock | None = None) -> StreamTranslator:
    dialect = OllamaDialects(clock or HandClock()).find(path, body)
    return dialect.stream(dialect.read(body, path))


def delta(finish: str | None = None, *, index: int = 0, **said: Any) -> bytes:  # Any: JSON
    return sse({"id": "c", "choices": [{"index": index, "delta": said, "finish_reason": finish}]})


def whole(body: bytes, answer: Any, path: str = "/api/chat", clock: HandClock | None = None) -> Any:  # Any: JSON
    clock = clock or HandClock()
    dialect = OllamaDialects(clock).find(path, body)
    request = dialect.read(body, path)
    clock.at += 2.0
    return json.loads(dialect.whole(request, json.dumps(answer).encode()))


@given(WORDS, CUTS)
def test_a_stream_cut_anywhere_says_the_same(words: list[str], at: list[int]) -> None:
    data = b": waiting\n\n" + delta(role="assistant", content="") + b"".join(map(chunk, words))
    data += delta("stop") + usage_chunk(9, 4) + DONE
    lines = lines_of(translated(stream(), data, at))
    assert [line["message"]["content"] for line in lines] == [*words, ""]
    assert [line["done"] for line in lines] == [False] * len(words) + [True]
    assert {line["model"] for line in lines} == {"tiny:latest"}
    last = lines[-1]
    assert (last["done_reason"], last["prompt_eval_count"], last["eval_count"]) == ("stop", 9, 4)


def test_times_are_seen_from_here_in_nanoseconds() -> None:
    clock = HandClock(at=5.0)
    translator = stream(clock=clock)
    clock.at = 7.0
    translator.feed(chunk("a"))
    clock.at = 10.0
    last = lines_of(translator.feed(delta("length") + usage_chunk(1, 1) + DONE))[-1]
    assert last["total_duration"] == 5_000_000_000
    assert (last["prompt_eval_duration"], last["eval_duration"]) == (2_000_000_000, 3_000_000_000)
    assert last["done_reason"] == "length"
    assert last["created_at"] == "2027-01-15T08:00:10.000000Z"


def test_an_engines_own_measure_is_better() -> None:
    timings = {"prompt_n": 3, "prompt_ms": 1.5, "predicted_n": 2, "predicted_ms": 20.25}
    last = sse({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}, "timings": timings})
    line = lines_of(translated(stream(), delta("stop") + last + DONE))[-1]
    assert (line["prompt_eval_duration"], line["eval_duration"]) == (1_500_000, 20_250_000)


@given(CUTS)
@pytest.mark.contract("D12")
def test_calls_of_tools_come_whole(at: list[int]) -> None:
    def piece(index: int, arguments: str, **head: Any) -> bytes:
        name = head.pop("name", None)
        return delta(tool_calls=[{"index": index, "function": {"name": name, "arguments": arguments}, **head}])

    data = piece(0, "", id="c1", name="rome") + piece(0, '{"a": 1') + piece(1, '{"b"', id="c2", name="oslo")
    data += piece(0, ".50}") + piece(1, ": []}") + delta("tool_calls") + DONE
    lines = lines_of(translated(stream(), data, at))
    assert lines[0]["message"]["tool_calls"] == [
        {"id": "c1", "function": {"index": 0, "name": "rome", "arguments": {"a": 1.5}}},
        {"id": "c2", "function": {"index": 1, "name": "oslo", "arguments": {"b": []}}},
    ]
    assert [line["done"] for line in lines] == [False, True]
    assert lines[-1]["done_reason"] == "stop"


def test_a_call_that_the_limit_cut_is_left_out_and_a_broken_one_is_a_failure() -> None:
    begun = delta(tool_calls=[{"index": 0, "id": "c", "function": {"name": "f", "arguments": '{"a'}}])
    lines = lines_of(translated(stream(), begun + delta("length") + DONE))
    assert [(line["done"], line.get("done_reason")) for line in lines] == [(True, "length")]
    with pytest.raises(UpstreamFailed, match="no JSON object"):
        translated(stream(), begun + delta("tool_calls") + DONE)


def test_thinking_has_a_member_of_its_own() -> None:
    data = delta(reasoning_content="hm") + delta(reasoning="so") + delta(content="42") + delta("stop") + DONE
    chat = [line["message"] for line in lines_of(translated(stream(), data))]
    assert [message.get("thinking") for message in chat] == ["hm", "so", None, None]
    told = lines_of(translated(stream("/api/generate", PROMPT), data))
    assert [(line["response"], line.get("thinking")) for line in told] == [
        ("", "hm"),
        ("", "so"),
        ("42", None),
        ("", None),
    ]


def test_completions_of_a_raw_prompt() -> None:
    body = b'{"model":"tiny","prompt":"hi","raw":true}'
    data = sse({"choices": [{"index": 0, "text": "a", "finish_reason": None}]})
    data += sse({"choices": [{"index": 0, "text": "", "finish_reason": "stop"}]}) + DONE
    lines = lines_of(translated(stream("/api/generate", body), data))
    assert [(line["response"], line["done"]) for line in lines] == [("a", False), ("", True)]


@pytest.mark.parametrize(
    "told",
    [
        b'data: {"error": {"message": "no memory", "type": "x"}}\n\n',
        b'error: {"message": "no memory"}\n\n',
        b'event: error\ndata: {"message": "no memory"}\n\n',
        b'data: {"error": "no memory"}\n\n',
    ],
)
def test_an_error_in_the_stream_ends_it_in_the_engines_words(told: bytes) -> None:
    translator = stream()
    before = lines_of(translator.feed(chunk("a") + told + chunk("b") + delta("stop") + DONE))
    assert [line["message"]["content"] for line in before] == ["a"]
    with pytest.raises(UpstreamFailed, match=r"^no memory$"):
        translator.finish()


@pytest.mark.parametrize("broken", [b"data: {\n\n", b"data: 7\n\n", b'data: {"choices": 1}\n\n', b"data: \xff\n\n"])
def test_what_is_no_chunk_fails_after_what_came_before(broken: bytes) -> None:
    translator = stream()
    assert lines_of(translator.feed(chunk("a") + broken + chunk("b")))[-1]["message"]["content"] == "a"
    with pytest.raises(UpstreamFailed):
        translator.feed(b"")
    with pytest.raises(UpstreamFailed):
        translator.finish()


@given(CUTS, st.binary(max_size=60))
def test_no_bytes_bring_anything_but_lines_or_a_failure(at: list[int], noise: bytes) -> None:
    try:
        out = translated(stream(), chunk("a") + noise + DONE, at)
    except UpstreamFailed:
        return
    assert lines_of(out)


def test_a_stream_without_an_end_fails_and_one_without_done_does_not() -> None:
    with pytest.raises(UpstreamFailed, match="before its answer did"):
        translated(stream(), chunk("a"))
    assert lines_of(translated(stream(), chunk("a") + delta("stop")))[-1]["done"] is True


def test_a_whole_chat() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"x": {"y": 1}}'}}
    message = {"role": "assistant", "content": None, "reasoning_content": "hm", "tool_calls": [call]}
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 5}}
    answer = {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}], "usage": usage}
    assert whole(CHAT, answer) == {
        "model": "tiny:latest",
        "created_at": "2027-01-15T08:16:42.000000Z",
        "message": {
            "role": "assistant",
            "content": "",
            "thinking": "hm",
            "tool_calls": [{"id": "c1", "function": {"index": 0, "name": "f", "arguments": {"x": {"y": 1}}}}],
        },
        "done": True,
        "done_reason": "stop",
        "total_duration": 2_000_000_000,
        "load_duration": 0,
        "prompt_eval_count": 7,
        "prompt_eval_duration": 0,
        "eval_count": 3,
        "eval_duration": 2_000_000_000,
    }


def test_log_probabilities() -> None:
    content = [{"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": [{"token": "b", "logprob": -1.0}]}]
    choice = {"index": 0, "message": {"content": "a"}, "finish_reason": "stop", "logprobs": {"content": content}}
    told = whole(CHAT, {"choices": [choice]})["logprobs"]
    assert told[0]["top_logprobs"][0]["token"] == "b"


def test_a_whole_answer_to_a_prompt() -> None:
    answer = {"choices": [{"index": 0, "message": {"content": "yes"}, "finish_reason": "stop"}]}
    assert whole(PROMPT, answer, "/api/generate")["response"] == "yes"


@pytest.mark.parametrize("answer", [{}, [], {"choices": []}, {"choices": [{"message": {"content": 1}}]}])
def test_a_whole_answer_that_is_none_fails(answer: Any) -> None:
    with pytest.raises(UpstreamFailed):
        whole(CHAT, answer)


def test_embeddings_keep_their_digits_and_their_order() -> None:
    data = [{"index": 1, "embedding": [0.25]}, {"index": 0, "embedding": [0.1]}]
    answer = {"object": "list", "data": data, "usage": {"prompt_tokens": 4, "total_tokens": 4}}
    body = b'{"model":"tiny","input":["a","b"]}'
    told = whole(body, answer, "/api/embed")
    assert (told["embeddings"], told["prompt_eval_count"]) == ([[0.1], [0.25]], 4)
    assert whole(b'{"model":"tiny","prompt":"a"}', answer, "/api/embeddings") == {"embedding": [0.1]}
    with pytest.raises(UpstreamFailed):
        whole(body, {"error": "x"}, "/api/embed")


def test_errors_are_one_text() -> None:
    dialect = OllamaDialects(HandClock()).find("/api/chat", CHAT)
    assert json.loads(dialect.error(Internal("broken"))) == {"error": "broken"}
    refusal = b'{"error":{"message":"too long","type":"t","param":null,"code":"c"}}'
    assert json.loads(dialect.refusal(400, refusal)) == {"error": "too long"}
    assert dialect.stream_error(Internal("broken")) == b'{"error":"broken"}\n'
    assert dialect.stream_type == NDJSON
