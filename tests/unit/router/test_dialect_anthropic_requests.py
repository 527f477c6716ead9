"""Anthropic's requests as OpenAI's chat requests."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_router.dialects.anthropic import ANTHROPIC
from roundhouse_router.domain.errors import BadBody

pytestmark = pytest.mark.contract("D13")

HI = [{"role": "user", "content": "hi"}]
PIXEL = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL = {"name": "weather", "description": "Weather of a city", "input_schema": SCHEMA}

_NAMES = ["type", "role", "content", "text", "source", "data", "url", "id", "name", "input", "tool_use_id", "is_error"]
_VALUES = ["user", "assistant", "system", "text", "image", "tool_use", "tool_result", "thinking", "document", "base64"]
_values = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(_VALUES)
_any = st.recursive(
    _values,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=5),
    max_leaves=12,
)
_blocks = st.dictionaries(st.sampled_from(_NAMES), _any, max_size=6) | _any
_messages = st.fixed_dictionaries(
    {"role": st.sampled_from(_VALUES[:3]), "content": st.lists(_blocks, max_size=3) | _any}
)
bodies = st.fixed_dictionaries(
    {"model": st.just("m"), "max_tokens": st.just(5), "messages": st.lists(_messages, max_size=3) | _any},
    optional=dict.fromkeys(("system", "tools", "tool_choice", "thinking", "metadata", "output_config"), _any),
)


def translated(**members: Any) -> Any:  # Any: JSON documents
    body = json.dumps({"model": "m", "max_tokens": 9, "messages": HI, **members}).encode()
    return json.loads(ANTHROPIC.to_openai(ANTHROPIC.read(body, "/v1/messages")))


def messages(*told: Any, **members: Any) -> Any:  # Any: JSON documents
    return translated(messages=list(told), **members)["messages"]


def user(*blocks: Any) -> Any:  # Any: JSON documents
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: Any) -> Any:  # Any: JSON documents
    return {"role": "assistant", "content": list(blocks)}


def text(told: str) -> dict[str, str]:
    return {"type": "text", "text": told}


def call(name: str, **arguments: str) -> Any:  # Any: JSON documents
    return {"type": "tool_use", "id": name, "name": "weather", "input": arguments}


def result(name: str, content: Any = "rain", **members: Any) -> Any:  # Any: JSON documents
    return {"type": "tool_result", "tool_use_id": name, "content": content, **members}


def test_the_smallest_request() -> None:
    assert translated() == {"model": "m", "max_tokens": 9, "messages": HI}


def test_what_routing_needs() -> None:
    body = b'{"model":"m","max_tokens":7,"stream":true,"metadata":{"user_id":"u1"},"messages":[]}'
    request = ANTHROPIC.read(body, "/v1/messages")
    assert (request.model, request.is_stream, request.max_tokens, request.user) == ("m", True, 7, "u1")
    assert request.wants_usage, "usage is a part of this API: an engine that speaks it is not asked for it"
    assert request.body == body


def test_sampling_and_streaming() -> None:
    asked = translated(
        stream=True, temperature=0.5, top_p=0.9, top_k=40, stop_sequences=["X"], metadata={"user_id": "u"}
    )
    assert asked | {"messages": 0} == {
        "model": "m",
        "max_tokens": 9,
        "messages": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 40,
        "stop": ["X"],
        "user": "u",
    }


@pytest.mark.parametrize(
    "system", ["one\n\ntwo", [text("one"), {**text("two"), "cache_control": {"type": "ephemeral"}}]]
)
def test_the_system_prompt(system: Any) -> None:
    assert messages(*HI, system=system)[0] == {"role": "system", "content": "one\n\ntwo"}


def test_a_billing_header_that_differs_each_time_is_left_out() -> None:
    system = [text("x-anthropic-billing-header: cc_version=2; cch=a5145;"), text("be kind")]
    assert messages(*HI, system=system)[0]["content"] == "be kind"


def test_texts_images_and_documents() -> None:
    document = {
        "type": "document",
        "title": "Title",
        "source": {"type": "text", "media_type": "text/plain", "data": "D"},
    }
    inner = {"type": "document", "source": {"type": "content", "content": [text("E")]}}
    found = {"type": "search_result", "source": "http://x", "title": "X", "content": [text("F")]}
    image = {"type": "image", "source": {"type": "url", "url": "http://y/p.png"}}
    asked = messages(user(text("a"), {"type": "image", "source": PIXEL}, image, document, inner, found))
    assert asked == [
        {
            "role": "user",
            "content": [
                text("a"),
                PICTURE,
                {"type": "image_url", "image_url": {"url": "http://y/p.png"}},
                text("Title"),
                text("D"),
                text("E"),
                text("X (http://x)\nF"),
            ],
        }
    ]


def test_text_alone_is_a_string_and_turns_of_one_role_are_one() -> None:
    asked = messages(user(text("a"), text("b")), *HI, assistant(text("c"), text("d")), assistant(text("e")), *HI)
    assert asked == [
        {"role": "user", "content": "a\nb\nhi"},
        {"role": "assistant", "content": "cde"},
        {"role": "user", "content": "hi"},
    ]


@pytest.mark.contract("D12")
def test_calls_thoughts_and_results() -> None:
    thinking = {"type": "thinking", "thinking": "hm", "signature": "s"}
    redacted = {"type": "redacted_thinking", "data": "x"}
    asked = messages(
        *HI,
        assistant(thinking, redacted, text("let me see"), call("a", city="Rome"), call("b")),
        user(text("and then?"), result("a"), result("b", [text("sun"), text("shine")], is_error=True)),
    )
    function = {"name": "weather", "arguments": '{"city": "Rome"}'}
    assert asked[1:] == [
        {
            "role": "assistant",
            "content": "let me see",
            "reasoning_content": "hm",
            "reasoning": "hm",
            "tool_calls": [
                {"id": "a", "type": "function", "function": function},
                {"id": "b", "type": "function", "function": {"name": "weather", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "a", "content": "rain"},
        {"role": "tool", "tool_call_id": "b", "content": "Error: sun\nshine"},
        {"role": "user", "content": "and then?"},
    ]


def test_images_of_results_come_after_all_results() -> None:
    asked = messages(
        *HI,
        assistant(call("a"), call("b")),
        user(result("a", [text("see"), {"type": "image", "source": PIXEL}]), result("b", None), text("well?")),
    )
    assert [one["role"] for one in asked] == ["user", "assistant", "tool", "tool", "user"]
    assert asked[1]["content"] is None
    assert (asked[2]["content"], asked[3]["content"]) == ("see\n(1 image(s) of this result: see the next message)", "")
    assert asked[4]["content"] == [text("Image(s) of the tool result a:"), PICTURE, text("well?")]


@pytest.mark.parametrize(
    ("before", "wanted"),
    [
        ([], ["system:also", "user:hi"]),
        (HI, ["user:hi\nalso\nhi"]),
        ([*HI, assistant(text("c"))], ["user:hi", "assistant:c", "user:also\nhi"]),
        (
            [*HI, assistant(call("a")), user(result("a"))],
            ["user:hi", "assistant:None", "tool:rain\n\nalso", "user:hi"],
        ),
    ],
)
def test_system_messages_among_the_turns_never_stand_in_the_middle(before: list[Any], wanted: list[str]) -> None:
    asked = messages(*before, {"role": "system", "content": "also"}, *HI)
    assert [f"{one['role']}:{one['content']}" for one in asked] == wanted


def test_a_system_message_between_calls_and_results_waits() -> None:
    asked = messages(*HI, assistant(call("a")), {"role": "system", "content": "also"}, user(result("a")))
    assert [one["role"] for one in asked] == ["user", "assistant", "tool", "user"]
    assert asked[-1]["content"] == "also"


def test_a_beginning_of_the_answer_is_gone_on_with() -> None:
    asked = translated(messages=[*HI, {"role": "assistant", "content": "It is"}])
    assert (asked["continue_final_message"], asked["add_generation_prompt"]) == (True, False)
    assert "continue_final_message" not in translated(messages=[*HI, assistant(call("a"))])


@pytest.mark.contract("D12")
@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        ({"type": "auto"}, "auto"),
        ({"type": "any"}, "required"),
        ({"type": "none"}, "none"),
        ({"type": "tool", "name": "weather"}, {"type": "function", "function": {"name": "weather"}}),
    ],
)
def test_tools(choice: Any, wanted: Any) -> None:  # Any: JSON
    asked = translated(tools=[{**TOOL, "strict": True, "cache_control": {}}], tool_choice=choice)
    function = {"name": "weather", "description": "Weather of a city", "parameters": SCHEMA, "strict": True}
    assert asked["tools"] == [{"type": "function", "function": function}]
    assert asked["tool_choice"] == wanted
    assert "parallel_tool_calls" not in asked


def test_one_call_at_a_time() -> None:
    asked = translated(tools=[TOOL], tool_choice={"type": "auto", "disable_parallel_tool_use": True})
    assert asked["parallel_tool_calls"] is False


@pytest.mark.parametrize(
    ("thinking", "wanted"),
    [
        ({"type": "enabled", "budget_tokens": 1024}, {"enable_thinking": True, "thinking": True}),
        ({"type": "disabled"}, {"enable_thinking": False, "thinking": False}),
        ({"type": "adaptive"}, None),
    ],
)
def test_thinking(thinking: Any, wanted: Any) -> None:  # Any: JSON
    assert translated(thinking=thinking).get("chat_template_kwargs") == wanted


def test_a_template_argument_of_the_client_wins() -> None:
    asked = translated(thinking={"type": "enabled"}, chat_template_kwargs={"thinking": False, "x": 1})
    assert asked["chat_template_kwargs"] == {"enable_thinking": True, "thinking": False, "x": 1}


def test_structured_output_and_effort() -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "output", "schema": SCHEMA, "strict": True}}
    form = {"type": "json_schema", "schema": SCHEMA}
    asked = translated(output_config={"format": form, "effort": "max"})
    assert (asked["response_format"], asked["reasoning_effort"]) == (wanted, "xhigh")
    assert translated(output_format=form)["response_format"] == wanted


@pytest.mark.parametrize(
    ("members", "place"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user"}]}, "messages.0.content"),
        ({"messages": [user({"type": "text"})]}, "messages.0.content.0.text"),
        ({"messages": [user({"type": "server_tool_use"})]}, "messages.0.content.0.type"),
        ({"messages": [user(call("a"))]}, "messages.0.content.0.type"),
        ({"messages": [assistant({"type": "image", "source": PIXEL})]}, "messages.0.content.0.type"),
        ({"messages": [user({"type": "image", "source": {"type": "file", "file_id": "f"}})]},
         "messages.0.content.0.source.type"),
        ({"messages": [user({"type": "document", "source": PIXEL})]}, "messages.0.content.0.source"),
        ({"messages": [user({"type": "document", "citations": {"enabled": True},
                             "source": {"type": "text", "data": "x"}})]}, "messages.0.content.0.citations"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools.0.type"),
        ({"tool_choice": {"type": "any"}}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"mcp_servers": [{"name": "x"}]}, "mcp_servers"),
        ({"container": "c"}, "container"),
        ({"output_format": {"type": "text"}}, "output_config.format"),
    ],
)  # fmt: skip
def test_what_cannot_be_said_is_refused_with_its_place(members: Any, place: str) -> None:  # Any: JSON
    with pytest.raises(BadBody) as refused:
        translated(**members)
    assert refused.value.param == place
    assert refused.value.message.startswith(place)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"model":1}', b"{}", b"[" * 100_000, b'"\xff"', b'{"a":"\xff"}'])
def test_what_is_no_request_is_refused(body: bytes) -> None:
    with pytest.raises(BadBody):
        ANTHROPIC.read(body, "/v1/messages")


def test_bytes_that_are_no_text_are_refused_wherever_they_are() -> None:
    told = b'{"type":"tool_use","id":"a","name":"f","input":{"x":"\xff"}}'
    body = b'{"model":"m","max_tokens":1,"messages":[{"role":"assistant","content":[%b]}]}' % told
    with pytest.raises(BadBody, match="UTF-8"):
        ANTHROPIC.to_openai(ANTHROPIC.read(body, "/v1/messages"))


@given(bodies)
def test_no_document_raises_anything_else(body: Any) -> None:  # Any: JSON
    with contextlib.suppress(BadBody):
        assert json.loads(ANTHROPIC.to_openai(ANTHROPIC.read(json.dumps(body).encode(), "/v1/messages")))["messages"]


def test_hints_and_unknown_members_are_ignored() -> None:
    asked = translated(service_tier="auto", context_management={"edits": []}, cache_control={}, speed="fast")
    assert asked == {"model": "m", "max_tokens": 9, "messages": HI}
