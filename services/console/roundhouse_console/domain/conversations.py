"""A conversation of the playground: one prompt after the other, and what each model answered."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from roundhouse_common.runtime import UnixTime

__all__ = [
    "Answer",
    "Call",
    "Conversation",
    "Figures",
    "Listed",
    "Model",
    "Reply",
    "Sampling",
    "Step",
    "Stored",
    "Turn",
    "clean_folder",
    "clean_title",
    "next_column_id",
    "next_turn_id",
    "searched_words",
    "shown_answer",
    "title_of",
]

_TITLE_CHARACTERS: Final = 60
_NAME_CHARACTERS: Final = 200
_WORDS_CHARACTERS: Final = 200_000


class Call(msgspec.Struct, kw_only=True):
    """A tool that a model wants to be called. `result` is what the person typed; None: they have not yet."""

    id: str
    name: str
    arguments: str
    result: str | None = None


class Step(msgspec.Struct, kw_only=True):
    """What came from one request: an answer is several where tools are called."""

    text: str = ""
    reasoning: str = ""
    calls: list[Call] = []


class Figures(msgspec.Struct, kw_only=True):
    """What an answer's requests took. Times are measured here, the cost is of metering's records."""

    first_s: float | None = None
    """Time to first token, of the last request."""
    writing_s: float = 0.0
    """From the first token to the last."""
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_nano: int | None = None
    currency: str = ""
    is_metered: bool = False
    """Whether there is a record; one without `cost_nano` has no price."""


class Answer(msgspec.Struct, kw_only=True):
    """One version of an answer. `finish` is the engine's reason, or `stopped`."""

    model: str
    steps: list[Step] = msgspec.field(default_factory=list)
    finish: str = ""
    trouble: str = ""
    """Why it did not come, or not wholly."""
    trouble_code: str = ""
    figures: Figures = msgspec.field(default_factory=Figures)

    @property
    def text(self) -> str:
        return "\n\n".join(step.text for step in self.steps if step.text)

    @property
    def waits_for_tools(self) -> bool:
        return bool(self.steps) and any(call.result is None for call in self.steps[-1].calls)


class Reply(msgspec.Struct, kw_only=True):
    """All versions of one model's answer to one prompt, and which of them shows."""

    versions: list[Answer] = msgspec.field(default_factory=list)
    shown: int = 0


class Turn(msgspec.Struct, kw_only=True):
    """A prompt, its images as data URLs, and the replies by column."""

    id: str
    text: str
    images: list[str] = msgspec.field(default_factory=list)
    replies: dict[str, Reply] = msgspec.field(default_factory=dict)


class Model(msgspec.Struct, kw_only=True):
    """A column of the page."""

    id: str
    name: str


class Sampling(msgspec.Struct, kw_only=True):
    """How all models are asked. None and empty: as the model has it."""

    system: str = ""
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: list[str] = msgspec.field(default_factory=list)
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    schema: str = ""
    """A JSON schema that answers must follow, as JSON."""
    tools: str = ""
    """Definitions of tools, as a JSON array."""


class Conversation(msgspec.Struct, kw_only=True):
    """What is kept of a conversation, as JSON."""

    models: list[Model] = msgspec.field(default_factory=list)
    turns: list[Turn] = msgspec.field(default_factory=list)
    sampling: Sampling = msgspec.field(default_factory=Sampling)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A conversation in a list."""

    id: str
    title: str
    folder: str
    updated_at: UnixTime


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A conversation with what it says. `revision` grows with every change."""

    listed: Listed
    revision: int
    conversation: Conversation


def shown_answer(turn: Turn, column_id: str) -> Answer | None:
    """Return the version of a column's answer that shows."""
    reply = turn.replies.get(column_id)
    if reply is None or not reply.versions:
        return None
    return reply.versions[min(max(reply.shown, 0), len(reply.versions) - 1)]


def next_turn_id(conversation: Conversation) -> str:
    """Return an id that no prompt of the conversation has."""
    return f"t{max((int(turn.id[1:]) for turn in conversation.turns if turn.id[1:].isdecimal()), default=0) + 1}"


def next_column_id(conversation: Conversation) -> str:
    """Return an id that no column has or had: answers of one that was removed stay with it."""
    used = {model.id for model in conversation.models} | {one for turn in conversation.turns for one in turn.replies}
    return next(found for number in range(len(used) + 1) if (found := f"c{number}") not in used)


def title_of(conversation: Conversation) -> str:
    """Return a title from the first prompt; empty where there is none."""
    first = next((turn.text for turn in conversation.turns if turn.text.strip()), "")
    words = clean_title(first)
    return words if len(words) <= _TITLE_CHARACTERS else words[: _TITLE_CHARACTERS - 1].rstrip() + "…"


def clean_title(text: str) -> str:
    """Return a name on one line, as databases take it."""
    return " ".join(text.replace("\0", " ").split())[:_NAME_CHARACTERS]


def clean_folder(text: str) -> str:
    """Return a folder's name; empty: in none."""
    return clean_title(text).strip("/ ")


def searched_words(title: str, conversation: Conversation) -> str:
    """Return what a search looks in, in lower case: the title, and what was asked and answered."""
    found = "\n".join([title, *_texts(conversation)])
    return found.replace("\0", " ").lower()[:_WORDS_CHARACTERS]


def _texts(conversation: Conversation) -> Iterator[str]:
    for turn in conversation.turns:
        yield turn.text
        for reply in turn.replies.values():
            for answer in reply.versions:
                yield answer.text
