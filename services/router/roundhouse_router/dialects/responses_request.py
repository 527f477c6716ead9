"""Requests of OpenAI's Responses API as chat requests."""

from typing import Any, Final

import msgspec

from roundhouse_router.dialects.chat_messages import Document
from roundhouse_router.dialects.reading import Asked, read_as, refuse
from roundhouse_router.dialects.responses_body import ResponsesBody, Tool
from roundhouse_router.dialects.responses_input import chat_messages
from roundhouse_router.domain.errors import BadBody
from roundhouse_router.domain.request import ParsedRequest

__all__ = ["chat_request", "read_request"]

_NO_STATE: Final = "nothing is stored here: send the whole conversation as input"
_LOGPROBS: Final = "message.output_text.logprobs"
_WORDS: Final = frozenset({"auto", "none", "required"})


class _Head(msgspec.Struct):
    model: str
    max_output_tokens: int | None = None
    stream: bool | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None


class _Choice(msgspec.Struct):
    type: str
    name: str | None = None
    mode: str | None = None
    tools: list[Tool] | None = None


_head: Final = msgspec.json.Decoder(_Head)
_body: Final = msgspec.json.Decoder(ResponsesBody)


def read_request(body: bytes) -> Asked:
    """Return what the router needs of a body. Raises BadBody. `user` is what is told of the end user, or the key
    under which the client wants its prompts cached: either keeps a conversation together."""
    head = read_as(_head, body)
    return Asked(
        model=head.model,
        is_stream=bool(head.stream),
        wants_usage=True,
        max_tokens=head.max_output_tokens,
        body=body,
        user=head.user or head.safety_identifier or head.prompt_cache_key or "",
    )


def chat_request(request: ParsedRequest) -> bytes:
    """Return the body for `/v1/chat/completions`. Raises BadBody for what it cannot say."""
    asked = read_as(_body, request.body)
    _check(asked)
    made: Document = {"model": asked.model, "messages": chat_messages(asked.instructions, asked.input or [])}
    if not made["messages"]:
        raise BadBody("input: a value is required", param="input", code="missing_required_parameter")
    if asked.stream:
        made |= {"stream": True, "stream_options": {"include_usage": True}}
    for name, value in (
        ("max_tokens", asked.max_output_tokens),
        ("temperature", asked.temperature),
        ("top_p", asked.top_p),
        ("user", asked.user or asked.safety_identifier),
        ("parallel_tool_calls", asked.parallel_tool_calls if asked.tools else None),
    ):
        if value is not None:
            made[name] = value
    if asked.top_logprobs or _LOGPROBS in (asked.include or ()):
        made |= {"logprobs": True, "top_logprobs": asked.top_logprobs or 0}
    _add_tools(made, asked)
    _add_format(made, asked)
    _add_thinking(made, asked)
    return msgspec.json.encode(made)


def _check(asked: ResponsesBody) -> None:
    for name in ("previous_response_id", "conversation", "prompt"):
        if getattr(asked, name):
            raise refuse(name, _NO_STATE)
    if asked.background:
        raise refuse("background", "answers are not made in the background here")
    if asked.truncation not in (None, "disabled"):
        raise refuse("truncation", "nothing is left out of a prompt here: only 'disabled' is available")
    if asked.max_output_tokens is not None and asked.max_output_tokens < 1:
        place = "max_output_tokens"
        raise BadBody(f"{place}: at least 1 is expected", param=place, code="invalid_value")


def _add_tools(made: Document, asked: ResponsesBody) -> None:
    tools = [_tool(tool, f"tools.{number}") for number, tool in enumerate(asked.tools or ())]
    choice, only = _choice(asked.tool_choice)
    if only is not None:
        tools = [tool for tool in tools if tool["function"]["name"] in only]
    if tools:
        made["tools"] = tools
        if choice is not None:
            made["tool_choice"] = choice


def _tool(tool: Tool, place: str) -> Document:
    if tool.type != "function":
        raise refuse(
            f"{place}.type", f"tools of type {tool.type!r} are not available for this model: only functions are"
        )
    if not tool.name:
        raise BadBody(f"{place}.name: a value is required", param=f"{place}.name", code="missing_required_parameter")
    function: Document = {"name": tool.name, "parameters": tool.parameters or {"type": "object", "properties": {}}}
    for name, value in (("description", tool.description), ("strict", tool.strict)):
        if value is not None:
            function[name] = value
    return {"type": "function", "function": function}


# Any: a word or an object, as JSON has it
def _choice(told: Any) -> tuple[str | Document | None, frozenset[str] | None]:
    """Return the choice for OpenAI's chat, and the tools that may be used, where not all may."""
    if told is None or (isinstance(told, str) and told in _WORDS):
        return told, None
    choice = read_as(msgspec.json.Decoder(_Choice), msgspec.json.encode(told))
    if choice.type == "function" and choice.name:
        return {"type": "function", "function": {"name": choice.name}}, None
    if choice.type == "allowed_tools":
        only = frozenset(tool.name or "" for tool in choice.tools or ())
        return "required" if choice.mode == "required" else "auto", only
    raise refuse("tool_choice", f"a choice of type {choice.type!r} is not available for this model")


def _add_format(made: Document, asked: ResponsesBody) -> None:
    wanted = asked.text.format if asked.text else None
    if wanted is None or wanted.type == "text":
        return
    if wanted.type == "json_object":
        made["response_format"] = {"type": "json_object"}
        return
    if wanted.type != "json_schema" or wanted.schema is None:
        raise refuse("text.format", "one of text, json_object, and json_schema with a schema is expected")
    schema: Document = {"name": wanted.name or "output", "schema": wanted.schema}
    for name, value in (("description", wanted.description), ("strict", wanted.strict)):
        if value is not None:
            schema[name] = value
    made["response_format"] = {"type": "json_schema", "json_schema": schema}


def _add_thinking(made: Document, asked: ResponsesBody) -> None:
    effort = asked.reasoning.effort if asked.reasoning else None
    arguments: Document = {}
    if effort == "none":
        # The two names that chat templates have for it; a template takes no notice of a name it does not know.
        arguments = {"enable_thinking": False, "thinking": False}
    elif effort is not None:
        made["reasoning_effort"] = effort
    arguments |= asked.chat_template_kwargs or {}
    if arguments:
        made["chat_template_kwargs"] = arguments
