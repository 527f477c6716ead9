"""OpenAI's chats, completions and embeddings as Ollama's."""

from typing import Any, Final

import msgspec

from roundhouse_router.formats.asked import (
    AskedMessage,
    ChatAsked,
    CompletionAsked,
    EmbeddingAsked,
    ResponseFormat,
    data_url,
    function_tools,
    is_said,
    read_asked,
    refuse,
    text_of,
)

__all__ = ["chat_body", "completion_body", "embed_body"]

_OPTIONS: Final = ("temperature", "top_p", "top_k", "min_p", "seed", "frequency_penalty", "presence_penalty")
_EFFORTS: Final = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}
_NO_CHOICE: Final = (None, "auto", "none")

# Any: JSON documents that are only put together here.
Document = dict[str, Any]


def chat_body(body: bytes, model: str, *, is_stream: bool) -> bytes:
    """Return the body for `POST /api/chat`. Raises BadBody."""
    asked = read_asked(body, ChatAsked)
    if (asked.n or 1) > 1:
        raise refuse("n", "only one answer can be asked for")
    if is_said(asked.functions):
        raise refuse("functions", "send 'tools' instead")
    if asked.tools and asked.tool_choice not in _NO_CHOICE:
        raise refuse("tool_choice", "its provider lets the model choose: 'auto' or 'none'")
    made: Document = {
        "model": model,
        "messages": _messages(asked.messages),
        "stream": is_stream,
        "options": _options(asked, asked.limit),
    }
    if asked.tools and asked.tool_choice != "none":
        made["tools"] = [{"type": "function", "function": _tool(tool)} for tool in function_tools(asked)]
    if asked.logprobs:
        made |= {"logprobs": True, "top_logprobs": asked.top_logprobs or 0}
    optional = {"format": _format(asked.response_format), "think": _think(asked)}
    return msgspec.json.encode(made | {name: value for name, value in optional.items() if value is not None})


def completion_body(body: bytes, model: str, *, is_stream: bool) -> bytes:
    """Return the body for `POST /api/generate`: the prompt goes to the model as it is. Raises BadBody."""
    asked = read_asked(body, CompletionAsked)
    if (asked.n or 1) > 1:
        raise refuse("n", "only one answer can be asked for")
    if asked.echo:
        raise refuse("echo", "its provider does not repeat the prompt")
    if asked.logprobs:
        raise refuse("logprobs", "its provider does not tell them for completions")
    made: Document = {
        "model": model,
        "prompt": asked.text,
        "stream": is_stream,
        "options": _options(asked, asked.max_tokens),
    }
    # A suffix is put in by the model's own template; a raw prompt has none.
    made |= {"suffix": asked.suffix} if asked.suffix else {"raw": True}
    return msgspec.json.encode(made)


def embed_body(body: bytes, model: str) -> bytes:
    """Return the body for `POST /api/embed`. Raises BadBody."""
    asked = read_asked(body, EmbeddingAsked)
    if asked.encoding_format not in (None, "float"):
        raise refuse("encoding_format", "only 'float' is told by its provider")
    made: Document = {"model": model, "input": asked.texts}
    if asked.dimensions:
        made["dimensions"] = asked.dimensions
    return msgspec.json.encode(made)


def _tool(tool: Document) -> Document:
    described = {"description": tool["description"]} if tool["description"] else {}
    parameters = {"parameters": tool["parameters"]} if is_said(tool["parameters"]) else {}
    return {"name": tool["name"], **described, **parameters}


def _messages(messages: list[AskedMessage]) -> list[Document]:
    """Return the messages; results of tools are told by the tool's name, as Ollama has it."""
    names: dict[str, str] = {}
    made: list[Document] = []
    for message in messages:
        shown: Document = {"role": "system" if message.role == "developer" else message.role, **_content(message)}
        if message.reasoning_content:
            shown["thinking"] = message.reasoning_content
        if message.tool_calls:
            names |= {call.id: call.function.name for call in message.tool_calls}
            shown["tool_calls"] = [
                {"id": call.id, "function": {"name": call.function.name, "arguments": call.arguments}}
                for call in message.tool_calls
            ]
        if message.role == "tool":
            call_id = message.tool_call_id or ""
            shown |= {"tool_call_id": call_id, "tool_name": names.get(call_id) or message.name or ""}
        made.append(shown)
    return made


def _content(message: AskedMessage) -> Document:
    content = message.content
    if not isinstance(content, list):
        return {"content": content or ""}
    images = []
    for part in content:
        if part.type != "image_url" or part.image_url is None:
            continue
        held = data_url(part.image_url.url)
        if held is None:
            raise refuse("messages", "an image must be sent itself ('data:image/png;base64,...'), not its address")
        images.append(held[1])
    text = text_of([part for part in content if part.type != "image_url"])
    return {"content": text, "images": images} if images else {"content": text}


def _options(asked: ChatAsked | CompletionAsked, limit: int | None) -> Document:
    made: Document = {name: getattr(asked, name) for name in _OPTIONS}
    made |= {"num_predict": limit, "stop": asked.stops or None}
    made["repeat_penalty"] = asked.repeat_penalty if asked.repetition_penalty is None else asked.repetition_penalty
    return {name: value for name, value in made.items() if value is not None}


def _format(wanted: ResponseFormat | None) -> str | msgspec.Raw | None:
    if wanted is None or wanted.type == "text":
        return None
    if wanted.type == "json_object":
        return "json"
    if wanted.type == "json_schema" and wanted.json_schema is not None:
        return wanted.json_schema.schema
    raise refuse("response_format", f"the type {wanted.type!r} is unknown there")


def _think(asked: ChatAsked) -> bool | str | None:
    effort = asked.reasoning_effort
    if effort == "none":
        return False
    if effort:
        if effort not in _EFFORTS:
            raise refuse("reasoning_effort", f"one of {', '.join(_EFFORTS)} is expected")
        return _EFFORTS[effort]
    return asked.chat_template_kwargs.enable_thinking if asked.chat_template_kwargs else None
