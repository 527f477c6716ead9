"""What OpenAI's Responses API accepts, as far as it can be said in OpenAI's chat."""

from typing import Any

import msgspec

__all__ = ["Content", "Item", "Reasoning", "ResponsesBody", "TextConfig", "Tool"]


class Content(msgspec.Struct):
    """A part of what somebody said, or of what a tool returned."""

    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = None
    detail: str | None = None


class Item(msgspec.Struct):
    """One item of the input: a message, a call, its output, or thoughts. Each type has some of the members."""

    type: str = "message"
    role: str | None = None
    content: str | list[Content] | None = None
    summary: list[Content] | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    output: str | list[Content] | None = None


class Tool(msgspec.Struct):
    type: str
    name: str | None = None
    description: str | None = None
    parameters: dict[str, Any] | None = None  # Any: a JSON schema
    strict: bool | None = None


class Reasoning(msgspec.Struct):
    effort: str | None = None


class Format(msgspec.Struct):
    type: str
    name: str | None = None
    description: str | None = None
    schema: dict[str, Any] | None = None  # Any: a JSON schema
    strict: bool | None = None


class TextConfig(msgspec.Struct):
    format: Format | None = None


class ResponsesBody(msgspec.Struct):
    """Of a request to `/v1/responses`. Members that are not here are hints, and ignored."""

    model: str
    input: str | list[Item] | None = None
    instructions: str | None = None
    max_output_tokens: int | None = None
    stream: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_logprobs: int | None = None
    include: list[str] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    tools: list[Tool] | None = None
    tool_choice: Any = None  # Any: a word or an object
    parallel_tool_calls: bool | None = None
    text: TextConfig | None = None
    reasoning: Reasoning | None = None
    chat_template_kwargs: dict[str, Any] | None = None  # Any: JSON of a template's own
    """Engines' extension, as on their other paths."""
    previous_response_id: str | None = None
    """Refused, as are the following: each needs something that is kept, or that no engine does."""
    conversation: Any = None
    prompt: Any = None
    background: bool | None = None
    truncation: str | None = None
