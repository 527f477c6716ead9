"""A provider that speaks Replicate's API: what a prediction is made of, and what becomes of it."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_common.contracts.usage import Operation
from roundhouse_router.domain.errors import BadBody, UpstreamFailed
from roundhouse_router.domain.formats import UpstreamFormat
from roundhouse_router.formats.prediction_stream import prediction_event
from roundhouse_router.formats.replicate import ReplicateFormat, read_order
from roundhouse_router.formats.replicate_input import USUAL, Parameters, read_parameters
from tests.support.cut_streams import CUTS, events_of, translated
from tests.support.hand_clock import HandClock

pytestmark = [pytest.mark.contract("D18"), pytest.mark.contract("D23")]

FORMAT: UpstreamFormat = ReplicateFormat(HandClock())
HI = [{"role": "user", "content": "hi"}]
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}


def asked(has: Parameters = USUAL, operation: Operation = Operation.CHAT, **body: Any) -> Any:  # Any: JSON
    encoded = json.dumps({"model": "m", **body}).encode()
    order = read_order(FORMAT.request(encoded, "meta/llama", operation, is_stream=False).body)
    return json.loads(order.body(has))["input"]


def prediction(status: str = "succeeded", **more: Any) -> bytes:  # Any: JSON
    return json.dumps({"id": "p1", "status": status, "output": None, "error": None, **more}).encode()


def event(name: str, data: str) -> bytes:
    lines = "".join(f"data: {line}\n" for line in data.split("\n"))
    return f"event: {name}\nid: 1:0\n{lines}\n".encode()


def chunks(data: bytes, at: list[int] | None = None) -> list[Any]:  # Any: JSON
    return events_of(translated(FORMAT.stream("m", Operation.CHAT), data, at or []))


@pytest.mark.parametrize(
    ("model", "path", "model_path", "version"),
    [
        ("meta/llama", "/models/meta/llama/predictions", "/models/meta/llama", ""),
        ("me/own:0123456789ab", "/predictions", "/models/me/own/versions/0123456789ab", "0123456789ab"),
        ("deployments/me/own", "/deployments/me/own/predictions", "", ""),
    ],
)
def test_where_predictions_are_made(model: str, path: str, model_path: str, version: str) -> None:
    body = json.dumps({"model": "m", "messages": HI}).encode()
    order = read_order(FORMAT.request(body, model, Operation.CHAT, is_stream=True).body)
    assert (order.path, order.model_path, order.version, order.is_stream) == (path, model_path, version, True)
    assert ("version" in json.loads(order.body(USUAL))) == bool(version)


@pytest.mark.parametrize("model", ["llama", "a/b/c", "../x", "a/..", "a/b?c", "a/b:latest", "a b/c", ""])
def test_names_that_are_none_never_become_paths(model: str) -> None:
    with pytest.raises(BadBody):
        FORMAT.request(json.dumps({"messages": HI}).encode(), model, Operation.CHAT, is_stream=False)


def test_one_message_is_the_prompt_and_instructions_go_apart() -> None:
    messages = [{"role": "system", "content": "be kind"}, *HI]
    body = asked(messages=messages, max_completion_tokens=5, temperature=0.5, stop=["a", "b"], repeat_penalty=1.1)
    assert body == {
        "prompt": "hi",
        "system_prompt": "be kind",
        "max_tokens": 5,
        "temperature": 0.5,
        "stop_sequences": "a,b",
    }
    assert asked({"prompt": "string"}, messages=messages, temperature=1) == {"prompt": "be kind\n\nhi"}


def test_a_conversation_is_a_transcript_unless_the_model_takes_messages() -> None:
    messages = [*HI, {"role": "assistant", "content": "hello"}, {"role": "user", "content": "and?"}]
    assert asked(messages=messages)["prompt"] == "User: hi\n\nAssistant: hello\n\nUser: and?\n\nAssistant:"
    assert asked(messages=messages[:2])["prompt"] == "User: hi\n\nAssistant: hello"
    assert asked({"messages": "array"}, messages=messages) == {"messages": messages}


@pytest.mark.contract("D13")
def test_images_go_where_the_model_takes_them() -> None:
    messages = [{"role": "user", "content": [{"type": "text", "text": "what?"}, PICTURE]}]
    url = PICTURE["image_url"]["url"]  # type: ignore[index] # a dict of two kinds of values
    assert asked({"prompt": "string", "image": "string"}, messages=messages) == {"prompt": "what?", "image": url}
    assert asked({"prompt": "string", "image_input": "array"}, messages=messages)["image_input"] == [url]
    for has, content in ((USUAL, [PICTURE]), ({"prompt": "string", "image": "string"}, [PICTURE, PICTURE])):
        with pytest.raises(BadBody):
            asked(has, messages=[{"role": "user", "content": content}])


@pytest.mark.parametrize(
    "body",
    [
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"response_format": {"type": "json_object"}},
        {"n": 2},
        {"logprobs": True},
        {"messages": []},
        {"messages": [*HI, {"role": "tool", "content": "x", "tool_call_id": "c"}]},
    ],
)
def test_what_it_cannot_say_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(BadBody):
        asked(**{"messages": HI, **body})


def test_a_stop_that_it_cannot_take_is_refused() -> None:
    with pytest.raises(BadBody):
        asked({"prompt": "string"}, messages=HI, stop="x")
    assert asked({"prompt": "string", "stop": "array"}, messages=HI, stop="x")["stop"] == ["x"]


def test_completions() -> None:
    assert asked(operation=Operation.COMPLETION, prompt="a", max_tokens=2) == {"prompt": "a", "max_tokens": 2}


@pytest.mark.parametrize(
    ("has", "made"),
    [
        ({"width": "integer", "height": "integer"}, {"width": 1920, "height": 1080}),
        ({"aspect_ratio": "string"}, {"aspect_ratio": "16:9"}),
        ({"size": "string"}, {"size": "1920x1080"}),
    ],
)
def test_images(has: dict[str, str], made: dict[str, Any]) -> None:
    parameters = {"prompt": "string", "num_outputs": "integer", **has}
    body = asked(parameters, Operation.IMAGE, prompt="a cat", size="1920x1080", n=2)
    assert body == {"prompt": "a cat", "num_outputs": 2, **made}


@pytest.mark.parametrize("body", [{"size": "big"}, {"size": "0x5"}, {"n": 2}, {"response_format": "b64_json"}])
def test_images_that_it_cannot_make_are_refused(body: dict[str, Any]) -> None:
    with pytest.raises(BadBody):
        asked({"prompt": "string", "width": "integer", "height": "integer"}, Operation.IMAGE, prompt="a cat", **body)


def test_embeddings_are_none_of_it() -> None:
    with pytest.raises(BadBody):
        asked(operation=Operation.EMBEDDING, input="x")


def test_parameters_are_read_from_the_models_schema() -> None:
    properties = {"prompt": {"type": "string"}, "image": {"type": "string", "format": "uri"}, "style": {"allOf": []}}
    schema = {"components": {"schemas": {"Input": {"properties": properties}}}}
    told = {"name": "llama", "latest_version": {"id": "x", "openapi_schema": schema}}
    assert read_parameters(json.dumps(told).encode()) == {"prompt": "string", "image": "string", "style": "string"}
    assert read_parameters(json.dumps({"id": "x", "openapi_schema": schema}).encode()) is not None
    for none in (b"", b"{}", b"[]", b'{"latest_version": null}', b'{"openapi_schema": {}}'):
        assert read_parameters(none) is None


METRICS = {"input_token_count": 5, "output_token_count": 2, "predict_time": 1.5}


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r"), min_size=1, max_size=5)), CUTS)
def test_a_stream_cut_anywhere_says_the_same(words: list[str], at: list[int]) -> None:
    data = b": hi\n\n" + b"".join(event("output", word) for word in words) + event("done", "{}")
    told = chunks(data + prediction_event(prediction(output=words, metrics=METRICS)), at)
    said = [one["choices"][0]["delta"].get("content") or "" for one in told[:-3]]
    assert "".join(said) == "".join(words)
    assert told[-3]["choices"][0]["finish_reason"] == "stop"
    assert told[-2]["usage"] == {
        "prompt_tokens": 5,
        "completion_tokens": 2,
        "total_tokens": 7,
        "predict_time": 1.5,
    }
    assert told[-1] == "[DONE]"


def test_a_stream_without_a_last_look_has_no_figures() -> None:
    told = chunks(event("output", "a") + event("done", "{}"))
    assert [one == "[DONE]" or "usage" in one for one in told] == [False, False, True]


def test_a_model_that_does_not_stream_has_its_output_at_the_end() -> None:
    told = chunks(prediction_event(prediction(output=["a", "b"], metrics=METRICS)))
    assert told[0]["choices"][0]["delta"]["content"] == "ab"
    assert told[-1] == "[DONE]"


def test_a_stream_that_broke_off_gets_the_rest_from_the_prediction() -> None:
    told = chunks(event("output", "he") + prediction_event(prediction(output=["hel", "lo"])))
    assert [one["choices"][0]["delta"].get("content") for one in told[:2]] == ["he", "llo"]
    odd = chunks(event("output", "x") + event("done", "{}") + prediction_event(prediction(output=["hel", "lo"])))
    assert [one["choices"][0]["delta"].get("content") for one in odd[:-1]] == ["x", None]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (event("error", '{"detail":"no memory"}'), "no memory"),
        (event("error", "boom"), "boom"),
        (event("done", '{"reason":"canceled"}'), "canceled"),
        (prediction_event(prediction("failed", error="no luck")), "no luck"),
        (event("prediction", "{"), "could not be read"),
        (b"", "ended before"),
    ],
)
def test_a_stream_that_fails_keeps_what_came_before(fault: bytes, words: str) -> None:
    stream = FORMAT.stream("m", Operation.CHAT)
    told = events_of(stream.feed(event("output", "a") + fault))
    assert told[-1]["choices"][0]["delta"]["content"] == "a"
    with pytest.raises(UpstreamFailed, match=words):
        stream.finish()


@given(CUTS, st.binary(max_size=60))
def test_no_bytes_bring_anything_but_events_or_a_failure(at: list[int], noise: bytes) -> None:
    try:
        assert chunks(event("output", "a") + noise + event("done", "{}"), at)
    except UpstreamFailed:
        return


@pytest.mark.parametrize(("output", "text"), [(["a", "b"], "ab"), ("ab", "ab"), (None, "")])
def test_a_whole_answer(output: Any, text: str) -> None:
    told = json.loads(FORMAT.whole(200, prediction(output=output, metrics=METRICS), "m", Operation.CHAT))
    assert told["choices"][0]["message"] == {"role": "assistant", "content": text}
    assert (told["id"], told["model"], told["usage"]["total_tokens"]) == ("p1", "m", 7)


@pytest.mark.parametrize("output", ["https://x/a.png", ["https://x/a.png"]])
def test_images_are_addresses(output: Any) -> None:
    told = json.loads(FORMAT.whole(200, prediction(output=output), "m", Operation.IMAGE))
    assert told["data"] == [{"url": "https://x/a.png"}]


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", prediction("failed"), prediction(output={"a": 1}), prediction(output=[1]), prediction("x")],
)
def test_a_whole_answer_that_is_none_fails(body: bytes) -> None:
    with pytest.raises(UpstreamFailed):
        FORMAT.whole(200, body, "m", Operation.CHAT)


@pytest.mark.parametrize(
    ("status", "body", "words", "code"),
    [
        (422, b'{"detail":"input: wrong","status":422}', "input: wrong", None),
        (402, b'{"title":"Insufficient credit"}', "Insufficient credit", "insufficient_quota"),
        (429, b'{"detail":"slow down"}', "slow down", "rate_limit_exceeded"),
        (502, prediction("failed", error="NSFW content detected"), "NSFW content detected", "content_policy_violation"),
        (502, prediction("aborted"), "aborted", None),
        (500, b"<html>", "status 500", None),
    ],
)
def test_errors(status: int, body: bytes, words: str, code: str | None) -> None:
    error = msgspec.json.decode(FORMAT.whole(status, body, "m", Operation.CHAT))["error"]
    assert words in error["message"]
    assert error["code"] == code
