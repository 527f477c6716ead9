"""OpenAI's requests as the input of a model on Replicate: each model there has parameters of its own.

Which ones is read from the model's schema; where that is not known, those that most of its language models have.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from roundhouse_common.contracts.usage import Operation
from roundhouse_router.domain.errors import BadBody
from roundhouse_router.formats.asked import (
    AskedMessage,
    ChatAsked,
    CompletionAsked,
    ImageAsked,
    is_said,
    read_asked,
    refuse,
    text_of,
)

__all__ = ["USUAL", "Parameters", "check", "prediction_input", "read_parameters"]

Parameters = Mapping[str, str]
"""Names of a model's parameters, with the JSON type of each."""

USUAL: Final[Parameters] = {
    "prompt": "string",
    "system_prompt": "string",
    "max_tokens": "integer",
    "temperature": "number",
    "top_p": "number",
    "top_k": "integer",
    "seed": "integer",
    "stop_sequences": "string",
    "presence_penalty": "number",
    "frequency_penalty": "number",
}

# The names that models there have for one thing, the most telling first.
_LIMITS: Final = ("max_completion_tokens", "max_tokens", "max_new_tokens", "max_output_tokens", "max_length")
_SYSTEMS: Final = ("system_prompt", "system_instruction", "system_message", "system")
_STOPS: Final = ("stop_sequences", "stop", "stop_words")
_PICTURES: Final = ("image_input", "input_images", "images", "image", "input_image", "img")
_COUNTS: Final = ("num_outputs", "number_of_images", "num_images")
_PROMPTS: Final = ("prompt", "text", "input")
_REPETITIONS: Final = ("repetition_penalty", "repeat_penalty")
_SAME: Final = ("temperature", "top_p", "top_k", "seed", "presence_penalty", "frequency_penalty", "reasoning_effort")
_INSTRUCTING: Final = frozenset({"system", "developer"})
_SPEAKERS: Final = {"user": "User", "assistant": "Assistant"}

# Any: JSON documents that are only put together here.
Document = dict[str, Any]


class _Property(msgspec.Struct):
    type: str = "string"


class _Input(msgspec.Struct):
    properties: dict[str, _Property]


class _Schemas(msgspec.Struct, rename={"input": "Input"}):
    input: _Input


class _Components(msgspec.Struct):
    schemas: _Schemas


class _Schema(msgspec.Struct):
    components: _Components


class _Version(msgspec.Struct):
    openapi_schema: _Schema


class _Model(msgspec.Struct):
    latest_version: _Version | None = None
    openapi_schema: _Schema | None = None
    """Of a version that was asked for by itself."""


def read_parameters(model: bytes) -> Parameters | None:
    """Return the parameters in Replicate's description of a model or a version; None: it has none."""
    try:
        told = msgspec.json.decode(model, type=_Model)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    schema = told.latest_version.openapi_schema if told.latest_version else told.openapi_schema
    if schema is None:
        return None
    return {name: one.type for name, one in schema.components.schemas.input.properties.items()}


def check(body: bytes, operation: Operation) -> None:
    """Refuse what no model there can do. Raises BadBody."""
    match operation:
        case Operation.CHAT:
            asked = read_asked(body, ChatAsked)
            if asked.tools or is_said(asked.functions):
                raise refuse("tools", "its provider has no calls of tools")
            if asked.response_format is not None and asked.response_format.type != "text":
                raise refuse("response_format", "its provider does not hold answers to a format")
            if asked.logprobs or asked.top_logprobs:
                raise refuse("logprobs", "its provider does not tell probabilities")
            _check_count(asked.n)
        case Operation.COMPLETION:
            completion = read_asked(body, CompletionAsked)
            if completion.echo or completion.suffix or completion.logprobs:
                raise refuse("echo, suffix, logprobs", "its provider has none of them")
            _check_count(completion.n)
        case Operation.IMAGE:
            if read_asked(body, ImageAsked).response_format == "b64_json":
                raise refuse("response_format", "its provider tells the addresses of images: ask for 'url'")
        case _:
            raise BadBody(f"Replicate has no {operation.value} here.", code="endpoint_not_served")


def prediction_input(body: bytes, operation: Operation, has: Parameters) -> Document:
    """Return the `input` of a prediction. Raises BadBody for what the model has no parameter for."""
    match operation:
        case Operation.CHAT:
            asked = read_asked(body, ChatAsked)
            return {**_conversation(asked.messages, has), **_sampling(asked, asked.limit, has)}
        case Operation.COMPLETION:
            completion = read_asked(body, CompletionAsked)
            return {_prompt_name(has): completion.text, **_sampling(completion, completion.max_tokens, has)}
        case _:
            return _picture(read_asked(body, ImageAsked), has)


def _check_count(count: int | None) -> None:
    if (count or 1) > 1:
        raise refuse("n", "only one answer can be asked for")


def _conversation(messages: Sequence[AskedMessage], has: Parameters) -> Document:
    pictures = _pictures(messages, has)
    told = [(message.role, _text(message)) for message in messages]
    if "messages" in has and not pictures:
        return {"messages": [{"role": role, "content": text} for role, text in told]}
    system = "\n\n".join(text for role, text in told if role in _INSTRUCTING and text)
    turns = [(role, text) for role, text in told if role not in _INSTRUCTING]
    prompt = _transcript(turns)
    made: Document = {}
    system_name = _first(_SYSTEMS, has)
    if system and system_name:
        made[system_name] = system
    elif system:
        prompt = f"{system}\n\n{prompt}"
    return {_prompt_name(has): prompt, **made, **pictures}


def _transcript(turns: Sequence[tuple[str, str]]) -> str:
    """Return one message as it is, and several as a conversation that the model is to go on with."""
    if not turns:
        raise refuse("messages", "at least one message of a user is expected")
    if len(turns) == 1:
        return turns[0][1]
    for role, _ in turns:
        if role not in _SPEAKERS:
            raise refuse("messages", f"the role {role!r} is unknown there")
    lines = [f"{_SPEAKERS[role]}: {text}" for role, text in turns]
    return "\n\n".join(lines if turns[-1][0] == "assistant" else [*lines, "Assistant:"])


def _text(message: AskedMessage) -> str:
    content = message.content
    if isinstance(content, list):
        content = [part for part in content if part.type != "image_url"]
    return text_of(content)


def _pictures(messages: Sequence[AskedMessage], has: Parameters) -> Document:
    urls = [
        part.image_url.url
        for message in messages
        if isinstance(message.content, list)
        for part in message.content
        if part.type == "image_url" and part.image_url is not None
    ]
    if not urls:
        return {}
    name = _first(_PICTURES, has)
    if not name:
        raise refuse("messages", "it takes no images")
    if has[name] == "array":
        return {name: urls}
    if len(urls) > 1:
        raise refuse("messages", "it takes one image")
    return {name: urls[0]}


def _sampling(asked: ChatAsked | CompletionAsked, limit: int | None, has: Parameters) -> Document:
    """Return what nudges the sampling, as far as the model has a parameter for it."""
    made: Document = {name: getattr(asked, name, None) for name in _SAME if name in has}
    repetition = asked.repeat_penalty if asked.repetition_penalty is None else asked.repetition_penalty
    for names, value in ((_LIMITS, limit), (_REPETITIONS, repetition)):
        if value is not None and (name := _first(names, has)):
            made[name] = value
    stop = _first(_STOPS, has)
    if asked.stops:
        if not stop:
            raise refuse("stop", "it has no parameter for it")
        made[stop] = asked.stops if has[stop] == "array" else ",".join(asked.stops)
    return {name: value for name, value in made.items() if value is not None}


def _picture(asked: ImageAsked, has: Parameters) -> Document:
    made: Document = {_prompt_name(has): asked.prompt}
    if asked.seed is not None and "seed" in has:
        made["seed"] = asked.seed
    if (asked.n or 1) > 1:
        count = _first(_COUNTS, has)
        if not count:
            raise refuse("n", "it makes one image")
        made[count] = asked.n
    if asked.size and asked.size != "auto":
        made |= _size(asked.size, has)
    return made


def _size(size: str, has: Parameters) -> Document:
    width, _, height = size.partition("x")
    if not (
        width.isascii() and width.isdigit() and height.isascii() and height.isdigit() and int(width) and int(height)
    ):
        raise refuse("size", "'auto', or a width and a height such as '1024x1024', are expected")
    ways: tuple[tuple[bool, Callable[[], Document]], ...] = (
        ("width" in has and "height" in has, lambda: {"width": int(width), "height": int(height)}),
        ("aspect_ratio" in has, lambda: {"aspect_ratio": _ratio(int(width), int(height))}),
        ("size" in has, lambda: {"size": size}),
    )
    for is_way, way in ways:
        if is_way:
            return way()
    raise refuse("size", "it has no parameter for it")


def _ratio(width: int, height: int) -> str:
    common = math.gcd(width, height)
    return f"{width // common}:{height // common}"


def _prompt_name(has: Parameters) -> str:
    return _first(_PROMPTS, has) or "prompt"


def _first(names: Sequence[str], has: Parameters) -> str:
    return next((name for name in names if name in has), "")
