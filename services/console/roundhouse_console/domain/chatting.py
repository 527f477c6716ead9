"""What the playground asks the router for, and how an answer is put together from its stream."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from roundhouse_console.domain.conversations import Answer, Call, Conversation, Sampling, Step, Turn, shown_answer
from roundhouse_console.domain.errors import Unfit

__all__ = [
    "MOST_IMAGES",
    "Gathering",
    "ThinkSplitter",
    "body_of",
    "is_image",
    "messages_of",
    "parameters_of",
    "parsed_schema",
    "parsed_tools",
]

Body = dict[str, Any]
"""A JSON object of the OpenAI API. Any: its shape is the API's."""

_OPEN, _CLOSE = "<think>", "</think>"
MOST_IMAGES: Final = 4
_MOST_IMAGE_CHARACTERS: Final = 150_000
_IMAGES: Final = tuple(f"data:image/{kind};base64," for kind in ("jpeg", "png", "webp", "gif"))
_NUMBERS: Final = ("temperature", "top_p", "max_tokens", "seed", "presence_penalty", "frequency_penalty")


def is_image(data_url: object) -> bool:
    """Say whether something that a browser sent is an image as requests may carry it."""
    return isinstance(data_url, str) and data_url.startswith(_IMAGES) and len(data_url) <= _MOST_IMAGE_CHARACTERS


def parsed_schema(text: str) -> Body | None:
    """Return a JSON schema, None where there is none. Raises ValueError with a sentence for the person."""
    if not text.strip():
        return None
    schema = _json(text)
    if not isinstance(schema, dict):
        raise Unfit('The JSON schema must be an object, e.g. {"type": "object"}.')
    return schema


def parsed_tools(text: str) -> list[Body]:
    """Return definitions of tools; a bare function is one too. Raises ValueError with a sentence for the person."""
    if not text.strip():
        return []
    found = _json(text)
    tools = [found] if isinstance(found, dict) else found
    if not isinstance(tools, list) or not all(isinstance(one, dict) for one in tools):
        raise Unfit("The definitions of tools must be a JSON array of objects.")
    made = [one if "function" in one else {"type": "function", "function": one} for one in tools]
    if not all(isinstance(one["function"], dict) and one["function"].get("name") for one in made):
        raise Unfit("Every tool needs a function with a name.")
    return made


def body_of(conversation: Conversation, column_id: str, model: str, turn: Turn, answer: Answer) -> Body:
    """Return the request for the next step of an answer to a turn."""
    body: Body = {"model": model, "messages": messages_of(conversation, column_id, turn, answer)}
    body.update(parameters_of(conversation.sampling))
    return {**body, "stream": True, "stream_options": {"include_usage": True}}


def parameters_of(sampling: Sampling) -> Body:
    """Return the parameters that are set."""
    body: Body = {name: value for name in _NUMBERS if (value := getattr(sampling, name)) is not None}
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    if (schema := parsed_schema(sampling.schema)) is not None:
        body["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    if tools := parsed_tools(sampling.tools):
        body["tools"] = tools
    return body


def messages_of(
    conversation: Conversation, column_id: str, until: Turn | None = None, answer: Answer | None = None
) -> list[Body]:
    """Return the messages up to a turn, with the steps of its answer so far; without a turn, all there are.

    A column that was added later goes on from what the first one with an answer said.
    """
    system = conversation.sampling.system
    messages: list[Body] = [{"role": "system", "content": system}] if system.strip() else []
    for turn in conversation.turns:
        messages.append({"role": "user", "content": _content(turn)})
        if until is not None and turn.id == until.id:
            return messages + (_said(answer) if answer is not None else [])
        shown = shown_answer(turn, column_id) or next(
            (found for model in conversation.models if (found := shown_answer(turn, model.id)) is not None), None
        )
        if shown is not None and not shown.waits_for_tools:
            messages += _said(shown)
    return messages


def _content(turn: Turn) -> str | list[Body]:
    if not turn.images:
        return turn.text
    images: list[Body] = [{"type": "image_url", "image_url": {"url": one}} for one in turn.images]
    return [{"type": "text", "text": turn.text}, *images]


def _said(answer: Answer) -> list[Body]:
    """Return an answer as messages: what was said, the tools that were called, what they gave."""
    messages: list[Body] = []
    for step in answer.steps:
        if not step.text and not step.calls:
            continue
        message: Body = {"role": "assistant", "content": step.text or None}
        if step.calls:
            message["tool_calls"] = [
                {"id": one.id, "type": "function", "function": {"name": one.name, "arguments": one.arguments}}
                for one in step.calls
            ]
        messages.append(message)
        messages += [{"role": "tool", "tool_call_id": one.id, "content": one.result or ""} for one in step.calls]
    return messages


def _json(text: str) -> Any:  # Any: whatever JSON there is
    try:
        return json.loads(text)
    except ValueError as error:
        raise Unfit("“{text}” is not JSON: {why}", text=text[:40], why=error) from error


class ThinkSplitter:
    """Takes apart a text that begins with `<think>…</think>`, however its pieces are cut."""

    def __init__(self) -> None:
        self._held = ""
        self._state = "start"

    def feed(self, piece: str) -> tuple[str, str]:
        """Return what is reasoning and what is answer of what came, as far as it can be told yet."""
        if self._state == "answer":
            return "", piece
        self._held += piece
        if self._state == "start":
            begun = self._held.lstrip()
            if begun.startswith(_OPEN):
                self._state, self._held = "thinking", begun[len(_OPEN) :]
            elif not _OPEN.startswith(begun):
                self._state, held, self._held = "answer", self._held, ""
                return "", held
            else:
                return "", ""
        return self._thinking()

    def rest(self) -> tuple[str, str]:
        """Return what was held back when the stream ends."""
        held, self._held = self._held, ""
        return (held, "") if self._state == "thinking" else ("", held)

    def _thinking(self) -> tuple[str, str]:
        place = self._held.find(_CLOSE)
        if place >= 0:
            reasoning, text = self._held[:place], self._held[place + len(_CLOSE) :].lstrip()
            self._state, self._held = "answer", ""
            return reasoning, text
        kept = next((size for size in range(len(_CLOSE) - 1, 0, -1) if self._held.endswith(_CLOSE[:size])), 0)
        reasoning, self._held = self._held[: len(self._held) - kept], self._held[len(self._held) - kept :]
        return reasoning, ""


@dataclass(slots=True)
class Gathering:
    """One step, as it comes in."""

    step: Step = field(default_factory=Step)
    finish: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    trouble: str = ""
    trouble_code: str = ""
    splitter: ThinkSplitter = field(default_factory=ThinkSplitter)

    def take(self, chunk: Mapping[str, Any]) -> tuple[str, str]:
        """Take a chunk (or a whole answer) and return what reasoning and what text it adds."""
        if isinstance(chunk.get("error"), Mapping):
            self.trouble = str(chunk["error"].get("message") or "The engine stopped with an error.")
            self.trouble_code = str(chunk["error"].get("code") or "")
            return "", ""
        if usage := chunk.get("usage"):
            self.input_tokens = usage.get("prompt_tokens")
            self.output_tokens = usage.get("completion_tokens")
        choices = chunk.get("choices") or []
        if not choices:
            return "", ""
        self.finish = choices[0].get("finish_reason") or self.finish
        delta = choices[0].get("delta") or choices[0].get("message") or {}
        for call in delta.get("tool_calls") or []:
            self._call(call)
        thought = delta.get("reasoning_content") or delta.get("reasoning") or ""
        reasoning, text = self.splitter.feed(delta.get("content") or "")
        return self._add(str(thought) + reasoning, text)

    def end(self) -> tuple[str, str]:
        """Return what was still held back."""
        return self._add(*self.splitter.rest())

    def _add(self, reasoning: str, text: str) -> tuple[str, str]:
        if not self.step.text:
            text = text.lstrip("\n")
        self.step.reasoning += reasoning
        self.step.text += text
        return reasoning, text

    def _call(self, piece: Mapping[str, Any]) -> None:
        index = piece.get("index")
        place = index if isinstance(index, int) and index >= 0 else len(self.step.calls)
        function = piece.get("function") or {}
        if place >= len(self.step.calls):
            self.step.calls = [*self.step.calls, Call(id="", name="", arguments="")]
            place = len(self.step.calls) - 1
        call = self.step.calls[place]
        call.id = str(piece.get("id") or call.id or f"call_{place}")
        call.name += str(function.get("name") or "")
        call.arguments += str(function.get("arguments") or "")
