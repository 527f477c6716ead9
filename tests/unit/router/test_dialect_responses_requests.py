"""Requests of OpenAI's Responses API as chat requests."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_router.dialects.responses import RESPONSES
from roundhouse_router.domain.errors import BadBody

pytestmark = pytest.mark.contract("D13")

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL = {"type": "function", "name": "weather", "description": "Weather of a city", "parameters": SCHEMA, "strict": True}
OTHER = {"type": "function", "name": "time"}

_NAMES = [
    "type",
    "role",
    "content",
    "text",
    "image_url",
    "call_id",
    "name",
    "arguments",
    "output",
    "summary",
    "refusal",
]
_VALUES = [
    "user",
    "assistant",
    "developer",
    "message",
    "input_text",
    "function_call",
    "reasoning",
    "input_image",
    "auto",
]
_values = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(_VALUES)
_any = st.recursive(
    _values,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=5),
    max_leaves=12,
)
_items = st.dictionaries(st.sampled_from(_NAMES), _any, max_size=6) | _any
bodies = st.fixed_dictionaries(
    {"model": st.just("m"), "input": st.lists(_items, max_size=4) | _any},
    optional=dict.fromkeys(("instructions", "tools", "tool_choice", "text", "reasoning", "include"), _any),
)


def translated(told: Any = "hi", **members: Any) -> Any:  # Any: JSON documents
    body = json.dumps({"model": "m", "input": told, **members}).encode()
    return json.loads(RESPONSES.to_openai(RESPONSES.read(body, "/v1/responses")))


def messages(*items: Any, **members: Any) -> Any:  # Any: JSON documents
    return translated(list(items), **members)["messages"]


def said(role: str, content: Any, **members: Any) -> Any:  # Any: JSON documents
    return {"role": role, "content": content, **members}


def call(name: str) -> Any:  # Any: JSON documents
    return {"type": "function_call", "id": "fc_1", "call_id": name, "name": "weather", "arguments": "{}"}


def output(name: str, told: Any) -> Any:  # Any: JSON documents
    return {"type": "function_call_output", "call_id": name, "output": told}


def test_the_smallest_request() -> None:
    assert translated() == {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def test_what_routing_needs() -> None:
    body = b'{"model":"m","max_output_tokens":7,"stream":true,"prompt_cache_key":"k","input":"x"}'
    request = RESPONSES.read(body, "/v1/responses")
    assert (request.model, request.is_stream, request.max_tokens, request.user) == ("m", True, 7, "k")
    assert request.wants_usage


def test_sampling_and_streaming() -> None:
    asked = translated(
        stream=True, temperature=0.5, top_p=0.9, max_output_tokens=9, user="u", top_logprobs=2, instructions="be kind"
    )
    assert asked == {
        "model": "m",
        "messages": [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 9,
        "temperature": 0.5,
        "top_p": 0.9,
        "user": "u",
        "logprobs": True,
        "top_logprobs": 2,
    }
    assert translated(include=["message.output_text.logprobs"])["logprobs"] is True


def test_roles_and_parts() -> None:
    picture = {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low"}
    asked = messages(
        said("developer", "be kind"),
        said("system", [{"type": "input_text", "text": "and brief"}]),
        said("user", [{"type": "input_text", "text": "a"}, picture]),
        said("assistant", [{"type": "output_text", "text": "b"}, {"type": "refusal", "refusal": "c"}], type="message"),
        said("user", "d"),
        instructions="first",
    )
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}}
    assert asked == [
        {"role": "system", "content": "first\n\nbe kind\n\nand brief"},
        {"role": "user", "content": [{"type": "text", "text": "a"}, image]},
        {"role": "assistant", "content": "bc"},
        {"role": "user", "content": "d"},
    ]


@pytest.mark.contract("D12")
def test_thoughts_calls_and_outputs_are_one_turn_of_the_model_and_its_results() -> None:
    asked = messages(
        said("user", "hi"),
        {"type": "reasoning", "id": "rs", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]},
        said("assistant", "let me see"),
        call("a"),
        call("b"),
        output("a", "rain"),
        output("b", [{"type": "input_text", "text": "sun"}, {"type": "input_image", "image_url": "http://p"}]),
        said("user", "well?"),
    )
    function = {"name": "weather", "arguments": "{}"}
    assert asked[1:] == [
        {
            "role": "assistant",
            "content": "let me see",
            "reasoning_content": "hm",
            "reasoning": "hm",
            "tool_calls": [{"id": one, "type": "function", "function": function} for one in ("a", "b")],
        },
        {"role": "tool", "tool_call_id": "a", "content": "rain"},
        {"role": "tool", "tool_call_id": "b", "content": "sun\n(1 image(s) of this result: see the next message)"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Image(s) of the tool result b:"},
                {"type": "image_url", "image_url": {"url": "http://p"}},
                {"type": "text", "text": "well?"},
            ],
        },
    ]


def test_a_picture_of_a_result_comes_before_what_the_model_said_of_it() -> None:
    picture = [{"type": "input_image", "image_url": "http://p"}]
    asked = messages(said("user", "hi"), call("a"), output("a", picture), said("assistant", "a dog"), said("user", "?"))
    assert [one["role"] for one in asked] == ["user", "assistant", "tool", "user", "assistant", "user"]


@pytest.mark.contract("D12")
@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        ("auto", "auto"),
        ("required", "required"),
        ("none", "none"),
        ({"type": "function", "name": "weather"}, {"type": "function", "function": {"name": "weather"}}),
    ],
)
def test_tools(choice: Any, wanted: Any) -> None:  # Any: JSON
    asked = translated(tools=[TOOL, OTHER], tool_choice=choice, parallel_tool_calls=False)
    assert asked["tools"] == [
        {
            "type": "function",
            "function": {name: TOOL[name] for name in ("name", "parameters", "description", "strict")},
        },
        {"type": "function", "function": {"name": "time", "parameters": {"type": "object", "properties": {}}}},
    ]
    assert (asked["tool_choice"], asked["parallel_tool_calls"]) == (wanted, False)


def test_only_the_allowed_tools_are_shown() -> None:
    choice = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "time"}]}
    asked = translated(tools=[TOOL, OTHER], tool_choice=choice)
    assert [tool["function"]["name"] for tool in asked["tools"]] == ["time"]
    assert asked["tool_choice"] == "required"


def test_structured_output() -> None:
    form = {"type": "json_schema", "name": "p", "schema": SCHEMA, "strict": True}
    wanted = {"type": "json_schema", "json_schema": {"name": "p", "schema": SCHEMA, "strict": True}}
    assert translated(text={"format": form})["response_format"] == wanted
    assert translated(text={"format": {"type": "json_object"}})["response_format"] == {"type": "json_object"}
    assert "response_format" not in translated(text={"format": {"type": "text"}, "verbosity": "low"})


def test_effort() -> None:
    assert translated(reasoning={"effort": "high", "summary": "auto"})["reasoning_effort"] == "high"
    asked = translated(reasoning={"effort": "none"}, chat_template_kwargs={"x": 1})
    assert asked["chat_template_kwargs"] == {"enable_thinking": False, "thinking": False, "x": 1}
    assert "reasoning_effort" not in asked


@pytest.mark.parametrize("store", [True, False, None])
def test_what_would_be_stored_or_is_a_hint_changes_nothing(store: bool | None) -> None:
    hints = {"metadata": {"a": "b"}, "service_tier": "auto", "include": ["reasoning.encrypted_content"]}
    assert translated(store=store, truncation="disabled", background=False, **hints) == translated()


@pytest.mark.parametrize(
    ("members", "place"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "c"}, "conversation"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"background": True}, "background"),
        ({"truncation": "auto"}, "truncation"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"told": None}, "input"),
        ({"told": []}, "input"),
        ({"told": 5}, "input"),
        ({"told": [{"type": "item_reference", "id": "x"}]}, "input.0.type"),
        ({"told": [{"type": "computer_call"}]}, "input.0.type"),
        ({"told": [{"role": "user"}]}, "input.0.content"),
        ({"told": [{"role": "tool", "content": "x"}]}, "input.0.role"),
        ({"told": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]}, "input.0.content.0.type"),
        ({"told": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]}, "input.0.content.0"),
        ({"told": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input.0.content.0.text"),
        ({"told": [{"type": "function_call", "call_id": "a", "name": "f"}]}, "input.0.arguments"),
        ({"told": [{"type": "function_call_output", "call_id": "a"}]}, "input.0.output"),
        ({"tools": [{"type": "web_search"}]}, "tools.0.type"),
        ({"tools": [{"type": "function"}]}, "tools.0.name"),
        ({"tools": [TOOL], "tool_choice": {"type": "web_search"}}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": "sometimes"}, None),
        ({"text": {"format": {"type": "grammar"}}}, "text.format"),
    ],
)
def test_what_cannot_be_said_is_refused_with_its_place(members: Any, place: str | None) -> None:  # Any: JSON
    with pytest.raises(BadBody) as refused:
        translated(**members)
    assert refused.value.param == place
    assert refused.value.message.startswith(place or "")


@given(bodies)
def test_no_document_raises_anything_else(body: Any) -> None:  # Any: JSON
    with contextlib.suppress(BadBody):
        assert json.loads(RESPONSES.to_openai(RESPONSES.read(json.dumps(body).encode(), "/v1/responses")))["messages"]


def test_what_is_no_text_is_not_said_back() -> None:
    request = RESPONSES.read(b'{"model":"m","input":"x","metadata":{"a":"\xff"},"tools":[]}', "/v1/responses")
    told = json.loads(RESPONSES.whole(request, b'{"choices":[{"message":{"content":"h"}}]}'))
    assert told["metadata"] == {}
