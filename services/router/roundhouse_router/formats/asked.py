"""OpenAI's requests as translators for providers read them. What another API cannot say is refused, never dropped
unless it only nudges the sampling."""

from typing import Any, Final, TypeVar

import msgspec

from roundhouse_router.domain.errors import BadBody

__all__ = [
    "AskedCall",
    "AskedMessage",
    "AskedPart",
    "ChatAsked",
    "CompletionAsked",
    "EmbeddingAsked",
    "ImageAsked",
    "data_url",
    "is_said",
    "read_asked",
    "refuse",
    "text_of",
]

_NULL: Final = msgspec.Raw(b"null")

A = TypeVar("A", bound=msgspec.Struct)


class _ImageUrl(msgspec.Struct):
    url: str


class AskedPart(msgspec.Struct):
    """A part of a message's content."""

    type: str = "text"
    text: str | None = None
    image_url: _ImageUrl | None = None
    cache_control: msgspec.Raw = _NULL


class _Function(msgspec.Struct):
    name: str
    arguments: str = "{}"


class AskedCall(msgspec.Struct):
    function: _Function
    id: str = ""

    @property
    def arguments(self) -> msgspec.Raw:
        """The arguments as a JSON object. Raises BadBody."""
        text = self.function.arguments.strip() or "{}"
        try:
            msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        except (msgspec.DecodeError, RecursionError):
            raise refuse(
                "messages", f"the call of {self.function.name!r} has arguments that are no JSON object"
            ) from None
        return msgspec.Raw(text.encode())


class AskedMessage(msgspec.Struct):
    role: str
    content: str | list[AskedPart] | None = None
    tool_calls: list[AskedCall] | None = None
    tool_call_id: str | None = None
    name: str | None = None
    reasoning_content: str | None = None


class _AskedFunction(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: msgspec.Raw = _NULL


class AskedTool(msgspec.Struct):
    type: str = "function"
    function: _AskedFunction | None = None


class _Schema(msgspec.Struct):
    schema: msgspec.Raw = _NULL


class ResponseFormat(msgspec.Struct):
    type: str
    json_schema: _Schema | None = None


class _Thinking(msgspec.Struct):
    enable_thinking: bool | None = None


class _Named(msgspec.Struct):
    name: str


class ToolChoice(msgspec.Struct):
    type: str = "function"
    function: _Named | None = None


class _Sampling(msgspec.Struct, kw_only=True):
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    max_tokens: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    repeat_penalty: float | None = None
    repetition_penalty: float | None = None
    n: int | None = None
    user: str | None = None

    @property
    def stops(self) -> list[str]:
        return [self.stop] if isinstance(self.stop, str) else self.stop or []


class ChatAsked(_Sampling, kw_only=True):
    """A request for a chat."""

    messages: list[AskedMessage]
    max_completion_tokens: int | None = None
    tools: list[AskedTool] | None = None
    tool_choice: str | ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    reasoning_effort: str | None = None
    chat_template_kwargs: _Thinking | None = None
    thinking: dict[str, Any] | None = None  # Any: JSON
    """Anthropic's own, for who knows that it goes there."""
    logprobs: bool | None = None
    top_logprobs: int | None = None
    functions: msgspec.Raw = _NULL
    audio: msgspec.Raw = _NULL

    @property
    def limit(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens


class CompletionAsked(_Sampling, kw_only=True):
    """A request for the continuation of a text."""

    prompt: str | list[str | int | list[int]] = ""
    suffix: str | None = None
    echo: bool | None = None
    logprobs: int | None = None

    @property
    def text(self) -> str:
        """The only prompt. Raises BadBody."""
        prompt = self.prompt[0] if isinstance(self.prompt, list) and len(self.prompt) == 1 else self.prompt
        if not isinstance(prompt, str):
            raise refuse("prompt", "one text is expected")
        return prompt


class EmbeddingAsked(msgspec.Struct):
    input: str | list[str | int | list[int]]
    dimensions: int | None = None
    encoding_format: str | None = None

    @property
    def texts(self) -> list[str]:
        """The texts. Raises BadBody for tokens."""
        texts = [self.input] if isinstance(self.input, str) else self.input
        found = [text for text in texts if isinstance(text, str)]
        if len(found) != len(texts):
            raise refuse("input", "texts are expected: tokens mean nothing to another tokenizer")
        return found


class ImageAsked(msgspec.Struct):
    prompt: str
    n: int | None = None
    size: str | None = None
    seed: int | None = None
    response_format: str | None = None


def read_asked(body: bytes, kind: type[A]) -> A:
    """Return what a body asks for. Raises BadBody."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise BadBody(f"The body cannot be translated for this model: {error}.", code="invalid_type") from None
    except RecursionError:
        raise BadBody("The body is nested too deeply.", code="invalid_json") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadBody(f"The body is not valid JSON: {error}", code="invalid_json") from None


def refuse(param: str, why: str) -> BadBody:
    """Return the refusal of a member that the provider's API cannot say. `why` may hold what the client sent."""
    return BadBody(f"'{param}' cannot be used with this model: {why[:300]}.", param=param, code="unsupported_parameter")


def is_said(told: msgspec.Raw) -> bool:
    return bytes(told) != b"null"


def text_of(content: str | list[AskedPart] | None) -> str:
    """Return the text of a content that may hold nothing else. Raises BadBody."""
    if not isinstance(content, list):
        return content or ""
    for part in content:
        if part.type != "text":
            raise refuse("messages", f"a part of type {part.type!r} has no place there")
    return "".join(part.text or "" for part in content)


def data_url(url: str) -> tuple[str, str] | None:
    """Return the media type and the base64 of a `data:` URL; None: it is another one. Raises BadBody."""
    if not url.startswith("data:"):
        return None
    head, comma, data = url[5:].partition(",")
    kind, _, encoding = head.partition(";")
    if not comma or encoding != "base64" or "/" not in kind:
        raise refuse("messages", "an image is expected as 'data:image/png;base64,...' or as an address")
    return kind, data


# Any: a JSON document that is only put together here.
def function_tools(asked: ChatAsked) -> list[dict[str, Any]]:
    """Return name, description and parameters of each tool. Raises BadBody for tools that are no functions."""
    made: list[dict[str, Any]] = []
    for tool in asked.tools or ():
        if tool.type != "function" or tool.function is None:
            raise refuse("tools", f"a tool of type {tool.type!r} is unknown there")
        made.append(
            {
                "name": tool.function.name,
                "description": tool.function.description,
                "parameters": tool.function.parameters,
            }
        )
    return made
