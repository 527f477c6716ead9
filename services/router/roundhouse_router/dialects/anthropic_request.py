"""Requests of Anthropic's Messages API as OpenAI's chat requests."""

from typing import Any, Final

import msgspec

from roundhouse_router.dialects.anthropic_blocks import Message, MessagesBody, OutputConfig, Tool, ToolChoice
from roundhouse_router.dialects.anthropic_messages import chat_messages
from roundhouse_router.dialects.chat_messages import Document
from roundhouse_router.dialects.reading import Asked, read_as, refuse
from roundhouse_router.domain.errors import BadBody
from roundhouse_router.domain.request import ParsedRequest

__all__ = ["chat_request", "count_request", "prefill_of", "read_request"]

_CHOICES: Final = {"auto": "auto", "any": "required", "none": "none"}
_THINKS: Final = {"enabled": True, "disabled": False}
_EFFORTS: Final = {"max": "xhigh"}
_OWN_TOOLS: Final = (None, "custom")


class _Metadata(msgspec.Struct):
    user_id: str | None = None


class _Head(msgspec.Struct):
    model: str
    max_tokens: int | None = None
    stream: bool | None = None
    metadata: _Metadata | None = None


class _Turns(msgspec.Struct):
    messages: list[msgspec.Raw]


_head: Final = msgspec.json.Decoder(_Head)
_body: Final = msgspec.json.Decoder(MessagesBody)
_turns: Final = msgspec.json.Decoder(_Turns)
_message: Final = msgspec.json.Decoder(Message)


def read_request(body: bytes) -> Asked:
    """Return what the router needs of a body. Raises BadBody. `user` is `metadata.user_id`."""
    head = read_as(_head, body)
    return Asked(
        model=head.model,
        is_stream=bool(head.stream),
        wants_usage=True,
        max_tokens=head.max_tokens,
        body=body,
        user=(head.metadata.user_id or "") if head.metadata else "",
    )


def chat_request(request: ParsedRequest) -> bytes:
    """Return the body for `/v1/chat/completions`. Raises BadBody for what it cannot say."""
    asked = read_as(_body, request.body)
    if asked.max_tokens is None:
        raise BadBody("max_tokens: a value is required", param="max_tokens", code="missing_required_parameter")
    if asked.max_tokens < 1:
        raise BadBody("max_tokens: at least 1 is expected", param="max_tokens", code="invalid_value")
    made = _prompt(asked)
    made["max_tokens"] = asked.max_tokens
    if asked.stream:
        made |= {"stream": True, "stream_options": {"include_usage": True}}
    for name, value in (
        ("stop", asked.stop_sequences),
        ("temperature", asked.temperature),
        ("top_p", asked.top_p),
        ("top_k", asked.top_k),
        ("user", asked.metadata.user_id if asked.metadata else None),
    ):
        if value is not None and value != []:
            made[name] = value
    _add_choice(made, asked)
    _add_output(made, asked)
    if made["messages"] and made["messages"][-1]["role"] == "assistant" and "tool_calls" not in made["messages"][-1]:
        # A beginning of the answer: llama.cpp takes the last message for that, vLLM and SGLang want to be told.
        made |= {"continue_final_message": True, "add_generation_prompt": False}
    return msgspec.json.encode(made)


def count_request(body: bytes) -> bytes:
    """Return OpenAI's chat body of which the prompt is to be counted. Raises BadBody."""
    return msgspec.json.encode(_prompt(read_as(_body, body)))


def prefill_of(request: ParsedRequest) -> str:
    """Return the beginning of the answer that the request ends with, if it does."""
    last = read_as(_turns, request.body).messages[-1:]
    if not last or b'"assistant"' not in bytes(last[0]):
        return ""
    made = chat_messages(None, [read_as(_message, bytes(last[0]))])
    if not made or made[0]["role"] != "assistant":
        return ""
    return made[0]["content"] or ""


def _prompt(asked: MessagesBody) -> Document:
    """Return everything that becomes part of the prompt."""
    for name in ("container", "inference_geo", "mcp_servers"):
        if getattr(asked, name):
            raise refuse(name, "this is not available for this model")
    made: Document = {"model": asked.model, "messages": chat_messages(asked.system, asked.messages)}
    if not made["messages"]:
        raise BadBody("messages: at least one message is required", param="messages", code="invalid_value")
    if asked.tools:
        made["tools"] = [_tool(tool, f"tools.{number}") for number, tool in enumerate(asked.tools)]
    arguments: dict[str, Any] = {}  # Any: JSON
    thinks = _THINKS.get(asked.thinking.type) if asked.thinking else None
    if thinks is not None:
        # The two names that chat templates have for it; a template takes no notice of a name it does not know.
        arguments = {"enable_thinking": thinks, "thinking": thinks}
    arguments |= asked.chat_template_kwargs or {}
    if arguments:
        made["chat_template_kwargs"] = arguments
    return made


def _tool(tool: Tool, place: str) -> Document:
    if tool.type not in _OWN_TOOLS:
        raise refuse(f"{place}.type", f"Anthropic's own tool {tool.type!r} is not available for this model")
    function: Document = {"name": tool.name, "parameters": {"type": "object", **(tool.input_schema or {})}}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _add_choice(made: Document, asked: MessagesBody) -> None:
    choice = asked.tool_choice
    if choice is None:
        return
    if not asked.tools:
        raise refuse("tool_choice", "it may only be given with tools")
    made["tool_choice"] = _choice(choice)
    if choice.disable_parallel_tool_use:
        made["parallel_tool_calls"] = False


def _choice(choice: ToolChoice) -> str | Document:
    if choice.type != "tool":
        return _CHOICES[choice.type]
    if not choice.name:
        raise BadBody("tool_choice.name: a value is required", param="tool_choice.name", code="invalid_value")
    return {"type": "function", "function": {"name": choice.name}}


def _add_output(made: Document, asked: MessagesBody) -> None:
    config = asked.output_config or OutputConfig()
    wanted = config.format or asked.output_format
    if wanted is not None:
        if wanted.type != "json_schema" or wanted.schema is None:
            raise refuse("output_config.format", "a type json_schema with a schema is expected")
        schema = {"name": "output", "schema": wanted.schema, "strict": True}
        made["response_format"] = {"type": "json_schema", "json_schema": schema}
    if config.effort is not None:
        made["reasoning_effort"] = _EFFORTS.get(config.effort, config.effort)
