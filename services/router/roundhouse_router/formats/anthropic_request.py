"""OpenAI's chat as Anthropic's Messages."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from roundhouse_router.formats.asked import (
    AskedMessage,
    AskedPart,
    ChatAsked,
    ToolChoice,
    data_url,
    function_tools,
    is_said,
    read_asked,
    refuse,
    text_of,
)

__all__ = ["messages_body"]

_DEFAULT_LIMIT: Final = 4096
"""Anthropic wants a limit, OpenAI's clients need not have one. Every model there can say so much."""
_THINKING_LIMIT: Final = 16384
"""The same for a model that thinks: what it thinks counts too."""
_INSTRUCTING: Final = frozenset({"system", "developer"})
_EFFORTS: Final = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "max"}
_CHOICES: Final = {"auto": "auto", "required": "any", "none": "none"}
_NO_PARAMETERS: Final = {"type": "object", "properties": {}}
_TOO_MANY: Final = "only one answer can be asked for"

# Any: JSON documents that are only put together here.
Document = dict[str, Any]


def messages_body(body: bytes, model: str, *, is_stream: bool) -> bytes:
    """Return the body for `POST /messages`. Raises BadBody.

    Left out, because they only nudge the sampling: seed, penalties, min_p.
    """
    asked = read_asked(body, ChatAsked)
    _check(asked)
    thinking = _thinking(asked)
    is_thinking = thinking is not None and thinking.get("type") != "disabled"
    made: Document = {
        "model": model,
        "max_tokens": asked.limit or (_THINKING_LIMIT if is_thinking else _DEFAULT_LIMIT),
        "messages": _messages(asked.messages),
    }
    system = _system(asked.messages)
    optional: Document = {
        "system": system,
        "stream": is_stream or None,
        "stop_sequences": [stop for stop in asked.stops if stop.strip()] or None,
        "metadata": {"user_id": asked.user} if asked.user else None,
        "thinking": thinking,
        "output_config": _output_config(asked),
        **_tools(asked),
    }
    if not is_thinking:  # a model that thinks takes none of these
        # OpenAI's temperature goes to 2, Anthropic's to 1.
        optional["temperature"] = None if asked.temperature is None else min(asked.temperature, 1.0)
        optional |= {"top_p": asked.top_p, "top_k": asked.top_k}
    made |= {name: value for name, value in optional.items() if value is not None}
    return msgspec.json.encode(made)


def _check(asked: ChatAsked) -> None:
    if (asked.n or 1) > 1:
        raise refuse("n", _TOO_MANY)
    if asked.logprobs or asked.top_logprobs:
        raise refuse("logprobs", "its provider does not tell probabilities")
    if is_said(asked.functions):
        raise refuse("functions", "send 'tools' instead")
    if is_said(asked.audio):
        raise refuse("audio", "it does not speak")


def _system(messages: Sequence[AskedMessage]) -> str | list[Document] | None:
    """Return all instructions, wherever they stand; as blocks where one is to be cached."""
    found = [message.content for message in messages if message.role in _INSTRUCTING and message.content]
    if any(isinstance(content, list) for content in found):
        blocks: list[Document] = []
        for content in found:
            parts = content if isinstance(content, list) else [AskedPart(text=content)]
            text_of(parts)
            blocks += [_text(part) for part in parts if part.text]
        return blocks or None
    return "\n\n".join(text_of(content) for content in found) or None


def _messages(messages: Sequence[AskedMessage]) -> list[Document]:
    """Return the turns; what follows in the same role becomes one of them, as results of tools must."""
    turns: list[Document] = []
    for message in messages:
        if message.role in _INSTRUCTING:
            continue
        role, blocks = _turn(message)
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": role, "content": blocks})
    turns = _without_blank_end(turns)
    if not turns:
        raise refuse("messages", "at least one message of a user is expected")
    return turns


def _turn(message: AskedMessage) -> tuple[str, list[Document]]:
    match message.role:
        case "user":
            return "user", _blocks(message.content)
        case "assistant":
            calls = [
                {"type": "tool_use", "id": call.id, "name": call.function.name, "input": call.arguments}
                for call in message.tool_calls or ()
            ]
            return "assistant", _blocks(message.content) + calls
        case "tool":
            if not message.tool_call_id:
                raise refuse("messages", "a message of a tool needs a tool_call_id")
            result: Document = {"type": "tool_result", "tool_use_id": message.tool_call_id}
            blocks = _blocks(message.content)
            return "user", [{**result, "content": blocks} if blocks else result]
        case _:
            raise refuse("messages", f"the role {message.role!r} is unknown there")


def _blocks(content: str | list[AskedPart] | None) -> list[Document]:
    """Return the content without empty texts, which Anthropic refuses."""
    if not isinstance(content, list):
        return [{"type": "text", "text": content}] if content else []
    return [_block(part) for part in content if part.type != "text" or part.text]


def _block(part: AskedPart) -> Document:
    if part.type == "text":
        return _text(part)
    if part.type != "image_url" or part.image_url is None:
        raise refuse("messages", f"a part of type {part.type!r} is unknown there")
    held = data_url(part.image_url.url)
    if held is None:
        return {"type": "image", "source": {"type": "url", "url": part.image_url.url}}
    return {"type": "image", "source": {"type": "base64", "media_type": held[0], "data": held[1]}}


def _text(part: AskedPart) -> Document:
    block: Document = {"type": "text", "text": part.text or ""}
    return {**block, "cache_control": part.cache_control} if is_said(part.cache_control) else block


def _without_blank_end(turns: list[Document]) -> list[Document]:
    """Return the turns without blanks at the end of an answer that is to be continued: Anthropic refuses them."""
    if not turns or turns[-1]["role"] != "assistant" or turns[-1]["content"][-1]["type"] != "text":
        return turns
    *before, block = turns[-1]["content"]
    text = block["text"].rstrip()
    content = [*before, {**block, "text": text}] if text else before
    return [*turns[:-1], {"role": "assistant", "content": content}] if content else turns[:-1]


def _tools(asked: ChatAsked) -> Document:
    tools = [
        {
            "name": tool["name"],
            "input_schema": tool["parameters"] if is_said(tool["parameters"]) else _NO_PARAMETERS,
            **({"description": tool["description"]} if tool["description"] else {}),
        }
        for tool in function_tools(asked)
    ]
    if not tools:
        return {}
    choice = _choice(asked.tool_choice)
    if asked.parallel_tool_calls is False:
        choice = {**(choice or {"type": "auto"}), "disable_parallel_tool_use": True}
        if choice["type"] == "none":
            del choice["disable_parallel_tool_use"]
    return {"tools": tools, "tool_choice": choice}


def _choice(choice: str | ToolChoice | None) -> Document | None:
    if choice is None:
        return None
    if isinstance(choice, str):
        if choice not in _CHOICES:
            raise refuse("tool_choice", "'auto', 'none', 'required' or a function is expected")
        return {"type": _CHOICES[choice]}
    if choice.function is None:
        raise refuse("tool_choice", f"the type {choice.type!r} is unknown there")
    return {"type": "tool", "name": choice.function.name}


def _thinking(asked: ChatAsked) -> Document | None:
    if asked.thinking is not None:
        return asked.thinking
    wanted = asked.chat_template_kwargs.enable_thinking if asked.chat_template_kwargs else None
    if asked.reasoning_effort == "none" or wanted is False:
        return {"type": "disabled"}
    return {"type": "adaptive"} if wanted or asked.reasoning_effort else None


def _output_config(asked: ChatAsked) -> Document | None:
    made: Document = {}
    effort = asked.reasoning_effort
    if effort and effort != "none":
        if effort not in _EFFORTS:
            raise refuse("reasoning_effort", f"one of {', '.join(_EFFORTS)} is expected")
        made["effort"] = _EFFORTS[effort]
    wanted = asked.response_format
    if wanted is not None and wanted.type != "text":
        if wanted.type != "json_schema" or wanted.json_schema is None:
            raise refuse("response_format", "only a JSON schema (type 'json_schema') can be held to there")
        made["format"] = {"type": "json_schema", "schema": wanted.json_schema.schema}
    return made or None
