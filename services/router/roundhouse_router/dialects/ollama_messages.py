"""Ollama's chat messages, images, tools and formats as OpenAI has them."""

import base64
import binascii
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from roundhouse_router.domain.errors import BadBody

__all__ = ["OllamaMessage", "openai_messages", "response_format", "user_content"]

_MAGIC: Final = (
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
)
_HEAD_CHARACTERS: Final = 24
"""Of an image's base64: enough for the bytes that tell its kind."""


class _Function(msgspec.Struct):
    name: str
    arguments: msgspec.Raw = msgspec.Raw(b"{}")


class _ToolCall(msgspec.Struct):
    function: _Function
    id: str = ""


class OllamaMessage(msgspec.Struct):
    """One message of a chat."""

    role: str
    content: str | None = None
    thinking: str | None = None
    images: list[str] | None = None
    tool_calls: list[_ToolCall] | None = None
    tool_name: str | None = None
    """Of a tool's result."""
    tool_call_id: str | None = None


# Any: parts of a JSON document that is only put together here.
def openai_messages(messages: Sequence[OllamaMessage]) -> list[dict[str, Any]]:
    """Return the messages. Raises BadBody.

    Ollama's calls of tools need no ids, OpenAI's do: results find their calls by name and order.
    """
    unanswered: list[tuple[str, str]] = []
    made: list[dict[str, Any]] = []
    calls = 0
    for place, message in enumerate(messages):
        if message.role == "tool":
            made.append(_result(message, unanswered, place))
            continue
        shown: dict[str, Any] = {"role": message.role, "content": user_content(message.content or "", message.images)}
        if message.thinking:
            shown["reasoning_content"] = message.thinking
        if message.tool_calls:
            unanswered = [
                (call.id or f"call_{number}", call.function.name)
                for number, call in enumerate(message.tool_calls, start=calls)
            ]
            calls += len(message.tool_calls)
            shown["tool_calls"] = [
                {"id": call_id, "type": "function", "function": {"name": name, "arguments": _arguments(call.function)}}
                for (call_id, name), call in zip(unanswered, message.tool_calls, strict=True)
            ]
        made.append(shown)
    return made


def user_content(text: str, images: Sequence[str] | None) -> str | list[dict[str, Any]]:
    """Return a message's content: a text, or parts where there are images. Raises BadBody."""
    if not images:
        return text
    parts: list[dict[str, Any]] = [{"type": "text", "text": text}] if text else []
    return parts + [{"type": "image_url", "image_url": {"url": _image_url(image)}} for image in images]


def response_format(wanted: msgspec.Raw) -> dict[str, Any] | None:
    """Return `format` as OpenAI's `response_format`; None: any text will do. Raises BadBody."""
    told = bytes(wanted).strip()
    if told in (b"null", b'""'):
        return None
    if told == b'"json"':
        return {"type": "json_object"}
    if told.startswith(b"{"):
        return {"type": "json_schema", "json_schema": {"name": "response", "schema": msgspec.Raw(told)}}
    raise BadBody("Invalid 'format': 'json' or a JSON schema is expected.", param="format", code="invalid_value")


def _result(message: OllamaMessage, unanswered: list[tuple[str, str]], place: int) -> dict[str, Any]:
    """Return a tool's result, and strike out the call that it answers."""
    shown: dict[str, Any] = {"role": "tool", "content": message.content or ""}
    fitting = [
        call
        for call in unanswered
        if (message.tool_call_id in (None, "", call[0])) and (message.tool_name in (None, "", call[1]))
    ]
    if fitting:
        unanswered.remove(fitting[0])
        shown["tool_call_id"] = fitting[0][0]
    else:
        shown["tool_call_id"] = message.tool_call_id or f"result_{place}"
    if message.tool_name:
        shown["name"] = message.tool_name
    return shown


def _arguments(function: _Function) -> str:
    """Return the arguments as JSON text, byte for byte as the client has them."""
    told = bytes(function.arguments).strip()
    if told.startswith(b"{"):
        return told.decode()
    if told == b"null":
        return "{}"
    raise BadBody(
        f"Invalid arguments of the tool call '{function.name[:100]}': a JSON object is expected.",
        param="messages",
        code="invalid_type",
    )


def _image_url(image: str) -> str:
    if image.startswith("data:image/"):
        return image
    try:
        head = base64.b64decode(image[:_HEAD_CHARACTERS], validate=True)
    except (binascii.Error, ValueError):
        raise BadBody("Invalid image: base64 is expected.", param="images", code="invalid_value") from None
    kind = next((kind for magic, kind in _MAGIC if head.startswith(magic)), "")
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        kind = "image/webp"
    if not kind:
        raise BadBody(
            "Invalid image: base64 of a PNG, JPEG, WebP, GIF or BMP file is expected.",
            param="images",
            code="invalid_value",
        )
    return f"data:{kind};base64,{image}"
