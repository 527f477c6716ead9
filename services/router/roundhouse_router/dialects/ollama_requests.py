"""Requests of Ollama's API: read, and made into OpenAI's."""

from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec

from roundhouse_router.dialects.ollama_messages import OllamaMessage, openai_messages, response_format, user_content
from roundhouse_router.domain.errors import BadBody
from roundhouse_router.domain.request import ParsedRequest

__all__ = [
    "OllamaRequest",
    "Reading",
    "is_raw",
    "read_chat",
    "read_embed",
    "read_embeddings",
    "read_generate",
    "read_raw",
]

_NULL: Final = msgspec.Raw(b"null")
_SAME: Final = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "typical_p",
    "seed",
    "stop",
    "frequency_penalty",
    "presence_penalty",
    "repeat_last_n",
    "mirostat",
    "mirostat_tau",
    "mirostat_eta",
)
"""Options that engines know by the same names. All others say how to load a model: here its deployment does."""
_REPETITION: Final = ("repeat_penalty", "repetition_penalty")
"""One option under the names that engines have for it."""
_EFFORTS: Final = ("low", "medium", "high")
_RAW_MARKS: Final = (b'"raw"', b'"suffix"')

Options = dict[str, msgspec.Raw]
B = TypeVar("B", bound="_Body")


class _Body(msgspec.Struct, kw_only=True):
    model: str
    options: Options | None = None


class _Generating(_Body, kw_only=True):
    stream: bool | None = None
    format: msgspec.Raw = _NULL
    think: bool | str | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None


class ChatBody(_Generating, kw_only=True):
    messages: list[OllamaMessage] | None = None
    tools: msgspec.Raw = _NULL


class GenerateBody(_Generating, kw_only=True):
    prompt: str | None = None
    suffix: str | None = None
    system: str | None = None
    template: str | None = None
    context: list[int] | None = None
    images: list[str] | None = None
    raw: bool | None = None


class EmbedBody(_Body, kw_only=True):
    input: str | list[str] | None = None
    dimensions: int | None = None


class EmbeddingsBody(_Body, kw_only=True):
    prompt: str | None = None


class OllamaRequest(ParsedRequest):
    """A request, what became of it, and when it came."""

    __slots__ = ("received", "translated")

    def __init__(
        self,
        *,
        model: str,
        is_stream: bool,
        max_tokens: int | None,
        body: bytes,
        translated: bytes | None,
        received: float,
    ) -> None:
        super().__init__(model=model, is_stream=is_stream, wants_usage=True, max_tokens=max_tokens, body=body)
        self.translated = translated
        """OpenAI's body; None: the request asks for nothing."""
        self.received = received
        """On the monotonic clock: answers tell how long they took."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one path makes of a body."""

    model: str
    is_stream: bool
    max_tokens: int | None
    translated: bytes | None


def read_chat(body: bytes) -> Reading:
    """Read a chat. Raises BadBody, as all of these."""
    content = decode(body, ChatBody)
    return _reading(content, chat_to_openai(content) if content.messages else None)


def read_generate(body: bytes) -> Reading:
    """Read a prompt that Ollama would put into the model's template: a chat of one message."""
    content = decode(body, GenerateBody)
    return _reading(content, generate_to_openai(content) if content.prompt or content.images else None)


def read_raw(body: bytes) -> Reading:
    """Read a prompt that goes to the model as it is."""
    content = decode(body, GenerateBody)
    return _reading(content, raw_to_openai(content) if content.prompt or content.suffix else None)


def is_raw(body: bytes) -> bool:
    """Whether a prompt is `raw`, or to be filled in before a `suffix`."""
    if not any(mark in body for mark in _RAW_MARKS):
        return False
    content = decode(body, GenerateBody)
    return bool(content.raw or content.suffix)


def read_embed(body: bytes) -> Reading:
    content = decode(body, EmbedBody)
    translated = embed_to_openai(content.model, content.input, content.dimensions) if content.input else None
    return Reading(content.model, False, None, translated)


def read_embeddings(body: bytes) -> Reading:
    content = decode(body, EmbeddingsBody)
    translated = embed_to_openai(content.model, content.prompt) if content.prompt else None
    return Reading(content.model, False, None, translated)


def _reading(content: "_Generating", translated: bytes | None) -> Reading:
    return Reading(content.model, _is_stream(content), token_limit(content.options), translated)


def _is_stream(content: "_Generating") -> bool:
    return content.stream is not False


def decode(body: bytes, kind: type[B]) -> B:
    """Return what a body says. Raises BadBody."""
    try:
        content = msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise BadBody(f"The body is not what Ollama's API has here: {error}.", code="invalid_type") from None
    except RecursionError:
        raise BadBody("The body is nested too deeply.", code="invalid_json") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadBody(f"The body is not valid JSON: {error}", code="invalid_json") from None
    if not content.model:
        raise BadBody("A model is required.", param="model", code="missing_required_parameter")
    return content


def token_limit(options: Options | None) -> int | None:
    """Return `num_predict`, unless it means "no limit". Raises BadBody."""
    told = (options or {}).get("num_predict", _NULL)
    try:
        limit = msgspec.json.decode(told, type=float | None)
    except msgspec.ValidationError:
        raise BadBody(
            "Invalid type for 'options.num_predict': an integer is expected.",
            param="options.num_predict",
            code="invalid_type",
        ) from None
    return int(limit) if limit is not None and limit >= 1 else None


# Any: members of a JSON document that is only put together here.
def chat_to_openai(content: ChatBody) -> bytes:
    """Return the body for OpenAI's chat. Raises BadBody."""
    made = _common(content)
    made["messages"] = openai_messages(content.messages or [])
    if bytes(content.tools) not in (b"null", b"[]"):
        made["tools"] = content.tools
    return _finished(made, content)


def generate_to_openai(content: GenerateBody) -> bytes:
    """Return a prompt as a chat of one message: Ollama puts it into the model's template too. Raises BadBody."""
    _check(content)
    made = _common(content)
    system = [{"role": "system", "content": content.system}] if content.system else []
    prompt = {"role": "user", "content": user_content(content.prompt or "", content.images)}
    made["messages"] = [*system, prompt]
    return _finished(made, content)


def raw_to_openai(content: GenerateBody) -> bytes:
    """Return a prompt that goes to the model as it is, for OpenAI's completions. Raises BadBody."""
    _check(content)
    if content.images:
        raise BadBody("'images' cannot be used with 'raw' or 'suffix'.", param="images", code="invalid_value")
    if content.system:
        raise BadBody("'system' cannot be used with 'raw' or 'suffix'.", param="system", code="invalid_value")
    made = _common(content)
    made["prompt"] = content.prompt or ""
    if content.suffix:
        made["suffix"] = content.suffix
    wanted = response_format(content.format)
    if wanted is not None:
        made["response_format"] = wanted
    if content.logprobs:
        made["logprobs"] = content.top_logprobs or 1
    return msgspec.json.encode(made)


def embed_to_openai(model: str, texts: str | list[str], dimensions: int | None = None) -> bytes:
    """Return the body for OpenAI's embeddings."""
    made: dict[str, Any] = {"model": model, "input": texts, "encoding_format": "float"}
    if dimensions:
        made["dimensions"] = dimensions
    return msgspec.json.encode(made)


def _common(content: _Generating) -> dict[str, Any]:
    options = content.options or {}
    made: dict[str, Any] = {"model": content.model}
    if _is_stream(content):
        made |= {"stream": True, "stream_options": {"include_usage": True}}
    limit = token_limit(options)
    if limit is not None:
        made["max_tokens"] = limit
    made |= {name: options[name] for name in _SAME if _is_said(options, name)}
    if _is_said(options, _REPETITION[0]):
        made |= dict.fromkeys(_REPETITION, options[_REPETITION[0]])
    return made


def _finished(made: dict[str, Any], content: _Generating) -> bytes:
    """Return a chat's body with what chats alone have."""
    wanted = response_format(content.format)
    if wanted is not None:
        made["response_format"] = wanted
    if content.think is not None:
        made |= _thinking(content.think)
    if content.logprobs:
        made["logprobs"] = True
        if content.top_logprobs:
            made["top_logprobs"] = content.top_logprobs
    return msgspec.json.encode(made)


def _thinking(think: bool | str) -> dict[str, Any]:
    if isinstance(think, bool):
        return {"chat_template_kwargs": {"enable_thinking": think, "thinking": think}}
    if think not in _EFFORTS:
        raise BadBody(
            "Invalid 'think': true, false, 'low', 'medium' or 'high' is expected.", param="think", code="invalid_value"
        )
    return {"reasoning_effort": think, "chat_template_kwargs": {"enable_thinking": True, "thinking": True}}


def _check(content: GenerateBody) -> None:
    """Refuse what would be another answer than the one asked for. Raises BadBody."""
    if content.template:
        raise BadBody(
            "'template' is not supported: the model's own is used. Send a whole prompt and 'raw': true instead.",
            param="template",
            code="unsupported_parameter",
        )
    if content.context:
        raise BadBody(
            "'context' is not supported: answers here have none. Send the conversation to /api/chat instead.",
            param="context",
            code="unsupported_parameter",
        )


def _is_said(options: Options, name: str) -> bool:
    return name in options and bytes(options[name]) != b"null"
