"""What Ollama's clients ask, as OpenAI's API has it."""

import base64
import json
from typing import Any

import pytest

from roundhouse_common.contracts.usage import Operation
from roundhouse_router.dialects.ollama import OllamaDialects
from roundhouse_router.domain.errors import BadBody
from roundhouse_router.domain.formats import Dialect
from tests.support.hand_clock import HandClock

pytestmark = pytest.mark.contract("D11")

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(40)).decode()
USER = [{"role": "user", "content": "hi"}]


def asked(path: str, **body: Any) -> Any:  # Any: JSON
    """Return OpenAI's body for an Ollama body."""
    encoded = json.dumps({"model": "tiny", **body}).encode()
    dialect: Dialect = OllamaDialects(HandClock()).find(path, encoded)
    return json.loads(dialect.to_openai(dialect.read(encoded, path)))


def refused(path: str, **body: Any) -> BadBody:  # Any: JSON
    with pytest.raises(BadBody) as caught:
        asked(path, **body)
    return caught.value


def test_a_chat_streams_unless_it_says_no() -> None:
    assert asked("/api/chat", messages=USER) == {
        "model": "tiny",
        "messages": USER,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert asked("/api/chat", messages=USER, stream=False) == {"model": "tiny", "messages": USER}


@pytest.mark.contract("D12")
def test_options_get_openais_names_and_those_about_loading_are_left_out() -> None:
    options = {
        "num_predict": 9,
        "temperature": 0.5,
        "top_k": 3,
        "top_p": 0.9,
        "min_p": 0.1,
        "seed": 7,
        "stop": ["a", "b"],
        "repeat_penalty": 1.2,
        "presence_penalty": None,
        "num_ctx": 4096,
        "num_gpu": 99,
        "unheard_of": 1,
    }
    body = asked("/api/chat", messages=USER, stream=False, options=options, keep_alive="5m")
    assert body == {
        "model": "tiny",
        "messages": USER,
        "max_tokens": 9,
        "temperature": 0.5,
        "top_k": 3,
        "top_p": 0.9,
        "min_p": 0.1,
        "seed": 7,
        "stop": ["a", "b"],
        "repeat_penalty": 1.2,
        "repetition_penalty": 1.2,
    }


@pytest.mark.parametrize("limit", [-1, -2, 0, None])
def test_no_limit_is_no_limit(limit: int | None) -> None:
    assert "max_tokens" not in asked("/api/chat", messages=USER, options={"num_predict": limit})


def test_the_limit_is_known_to_who_admits() -> None:
    body = b'{"model":"tiny","messages":[{"role":"user","content":"x"}],"options":{"num_predict":12}}'
    request = OllamaDialects(HandClock()).find("/api/chat", body).read(body, "/api/chat")
    assert (request.model, request.max_tokens, request.is_stream, request.wants_usage) == ("tiny", 12, True, True)


@pytest.mark.contract("D13")
def test_images_become_parts_with_their_kind() -> None:
    body = asked("/api/chat", messages=[{"role": "user", "content": "what is it?", "images": [PNG]}])
    assert body["messages"][0]["content"] == [
        {"type": "text", "text": "what is it?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
    ]


@pytest.mark.parametrize(
    ("head", "kind"),
    [(b"\xff\xd8\xff\xe0", "jpeg"), (b"GIF89a", "gif"), (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "webp"), (b"BM", "bmp")],
)
def test_kinds_of_images_are_told_by_their_first_bytes(head: bytes, kind: str) -> None:
    image = base64.b64encode(head + bytes(30)).decode()
    parts = asked("/api/generate", prompt="", images=[image])["messages"][0]["content"]
    assert [part["image_url"]["url"] for part in parts] == [f"data:image/{kind};base64,{image}"]


@pytest.mark.parametrize("image", ["not base64!", base64.b64encode(bytes(40)).decode(), "http://host/a.png"])
def test_what_is_no_image_is_refused(image: str) -> None:
    assert refused("/api/chat", messages=[{"role": "user", "images": [image]}]).param == "images"


@pytest.mark.contract("D12")
def test_calls_of_tools_and_their_results_get_ids_that_fit() -> None:
    def call(name: str) -> dict[str, Any]:
        return {"function": {"name": name, "arguments": {"b": 1.0, "a": [1]}}}

    messages = [
        {"role": "user", "content": "weather?"},
        {"role": "assistant", "content": "", "thinking": "hm", "tool_calls": [call("rome"), call("oslo")]},
        {"role": "tool", "content": "cold", "tool_name": "oslo"},
        {"role": "tool", "content": "warm"},
        {"role": "assistant", "tool_calls": [call("rome")]},
        {"role": "tool", "content": "hot", "tool_name": "rome"},
        {"role": "tool", "content": "nobody asked"},
    ]
    said = asked("/api/chat", messages=messages, tools=[{"type": "function", "function": {"name": "rome"}}])
    rome, oslo = said["messages"][1]["tool_calls"]
    assert said["messages"][1]["reasoning_content"] == "hm"
    assert rome["function"] == {"name": "rome", "arguments": '{"b": 1.0, "a": [1]}'}
    assert [message.get("tool_call_id") for message in said["messages"][2:4]] == [oslo["id"], rome["id"]]
    again = said["messages"][4]["tool_calls"][0]
    assert said["messages"][5]["tool_call_id"] == again["id"] not in (rome["id"], oslo["id"])
    assert said["messages"][6]["tool_call_id"] == "result_6"
    assert said["tools"] == [{"type": "function", "function": {"name": "rome"}}]


def test_ids_that_a_client_has_are_kept() -> None:
    call = {"id": "c9", "function": {"name": "f", "arguments": {}}}
    messages = [{"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "c9", "content": "x"}]
    said = asked("/api/chat", messages=messages)["messages"]
    assert said[0]["tool_calls"][0]["id"] == said[1]["tool_call_id"] == "c9"


def test_arguments_must_be_an_object() -> None:
    call = {"function": {"name": "f", "arguments": "{}"}}
    assert "JSON object" in refused("/api/chat", messages=[{"role": "assistant", "tool_calls": [call]}]).message


def test_formats() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    assert asked("/api/chat", messages=USER, format="json")["response_format"] == {"type": "json_object"}
    assert asked("/api/chat", messages=USER, format=schema)["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "response", "schema": schema},
    }
    assert "response_format" not in asked("/api/chat", messages=USER, format="")
    assert refused("/api/chat", messages=USER, format="yaml").param == "format"


def test_thinking() -> None:
    assert asked("/api/chat", messages=USER, think=False)["chat_template_kwargs"] == {
        "enable_thinking": False,
        "thinking": False,
    }
    high = asked("/api/chat", messages=USER, think="high")
    assert (high["reasoning_effort"], high["chat_template_kwargs"]) == (
        "high",
        {"enable_thinking": True, "thinking": True},
    )
    assert refused("/api/chat", messages=USER, think="very").param == "think"


def test_a_prompt_is_a_chat_because_it_goes_into_the_models_template() -> None:
    body = asked("/api/generate", prompt="hi", system="be kind", stream=False)
    assert body == {"model": "tiny", "messages": [{"role": "system", "content": "be kind"}, *USER]}


def test_a_raw_prompt_is_a_completion() -> None:
    encoded = b'{"model":"tiny","prompt":"<s>hi","raw":true,"stream":false,"options":{"num_predict":2}}'
    dialect = OllamaDialects(HandClock()).find("/api/generate", encoded)
    assert dialect.operation is Operation.COMPLETION
    assert asked("/api/generate", prompt="<s>hi", raw=True, stream=False) == {"model": "tiny", "prompt": "<s>hi"}
    assert asked("/api/generate", prompt="def f(", suffix="return", stream=False)["suffix"] == "return"
    assert OllamaDialects(HandClock()).find("/api/generate", b'{"model":"m","raw":false}').operation is Operation.CHAT


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"prompt": "x", "template": "{{ .Prompt }}"}, "template"),
        ({"prompt": "x", "context": [1, 2]}, "context"),
        ({"prompt": "x", "raw": True, "images": [PNG]}, "images"),
        ({"prompt": "x", "raw": True, "system": "s"}, "system"),
        ({"prompt": "x", "options": {"num_predict": "many"}}, "options.num_predict"),
    ],
)
def test_what_cannot_be_said_is_refused(body: dict[str, Any], param: str) -> None:
    assert refused("/api/generate", **body).param == param


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"messages":[]}', b'{"model":1}', b"[" * 5000, b'{"model":""}'])
def test_bodies_that_are_none_are_refused(body: bytes) -> None:
    with pytest.raises(BadBody):
        OllamaDialects(HandClock()).find("/api/chat", body).read(body, "/api/chat")


def test_embeddings() -> None:
    assert asked("/api/embed", input=["a", "b"], dimensions=64, truncate=True) == {
        "model": "tiny",
        "input": ["a", "b"],
        "encoding_format": "float",
        "dimensions": 64,
    }
    assert asked("/api/embeddings", prompt="a")["input"] == "a"


@pytest.mark.parametrize(
    ("path", "body", "answer"),
    [
        ("/api/chat", {"messages": []}, {"message": {"role": "assistant", "content": ""}, "done_reason": "load"}),
        ("/api/generate", {"keep_alive": "10m"}, {"response": "", "done": True, "done_reason": "load"}),
        ("/api/embed", {"input": []}, {"embeddings": []}),
        ("/api/embeddings", {"prompt": ""}, {"embedding": []}),
    ],
)
def test_a_request_for_nothing_needs_no_engine(path: str, body: dict[str, Any], answer: dict[str, Any]) -> None:
    encoded = json.dumps({"model": "tiny", **body}).encode()
    dialect = OllamaDialects(HandClock()).find(path, encoded)
    said = dialect.answer_to_nothing(dialect.read(encoded, path))
    assert said is not None
    assert json.loads(said).items() >= answer.items()


def test_a_request_for_something_does() -> None:
    body = json.dumps({"model": "tiny", "messages": USER}).encode()
    dialect = OllamaDialects(HandClock()).find("/api/chat", body)
    assert dialect.answer_to_nothing(dialect.read(body, "/api/chat")) is None
