"""What the playground shows of a conversation."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

from roundhouse_console.domain.conversations import Answer, Conversation, Figures, Listed, Turn, shown_answer
from roundhouse_console.domain.errors import Unfit
from roundhouse_console.domain.units import amount, money

__all__ = [
    "SHOWN_TURNS",
    "Readiness",
    "figures_text",
    "folders_of",
    "hint_of",
    "items_of",
    "number_of",
    "readiness_of",
    "ready_first",
    "stops_of",
]

Item = dict[str, Any]
"""A message as the thread takes it. Any: data for the browser."""
Words = Callable[..., str]
"""Translates, as `kit.here.t`."""

SHOWN_TURNS: Final = 10
"""So many prompts show at first, and so many more at a time."""
_HINTS: Final[Mapping[str, str]] = {
    "rate_limit_exceeded": "A limit of the key, the project or the model is reached. It is free again in a moment.",
    "insufficient_quota": "The budget is used up. Whoever set it can raise it; it begins anew with its period.",
    "model_not_found": "Choose another model above.",
    "no_ready_replica": "No replica of it is ready. It may be starting: its deployment says more.",
    "engines_busy": "All its replicas are busy. It is free again in a moment.",
    "too_many_waiting": "Too many requests wait for it already. It is free again in a moment.",
    "context_length_exceeded": "The conversation is longer than the model can read. Start a new one or shorten it.",
}
"""What somebody can do, by the router's code."""


Readiness = Literal["ready", "wakes", "waits"]
"""Of a deployment: it answers at once, a request wakes it, or it cannot answer now."""
_RANKS: Final[Mapping[Readiness | None, int]] = {"ready": 0, None: 1, "wakes": 2, "waits": 3}


def readiness_of(statuses: Sequence[Mapping[str, Any]]) -> dict[str, Readiness]:
    """Return by name of a deployment, which is the model's for callers, whether it can answer. Any: as services say."""
    return {
        one["name"]: "ready" if one["replicas_ready"] else "wakes" if one["is_sleeping"] else "waits"
        for one in statuses
    }


def ready_first(models: Sequence[str], readiness: Mapping[str, Readiness]) -> list[str]:
    """Return the models in the order in which to offer them: those that can answer now come first.

    Models of which nothing is known, e.g. routes to providers, come after those that are known to be ready.
    """
    return sorted(models, key=lambda name: _RANKS[readiness.get(name)])


def items_of(
    conversation: Conversation,
    column_id: str,
    *,
    stamps: Mapping[str, str],
    most: int,
    html: Callable[[str], str | None],
    t: Words,
    title: Callable[[str], str],
) -> tuple[list[Item], int]:
    """Return a column's newest messages and how many earlier prompts there are.

    `stamps` has a text for each prompt whose answer is being written; `html` renders Markdown; `title` says what a code
    of the router means in the page's language, or nothing.
    """
    turns = conversation.turns[-most:]
    items: list[Item] = []
    for turn in turns:
        items.append(_prompt(turn, has_later=turn is not conversation.turns[-1]))
        answer = shown_answer(turn, column_id)
        if answer is not None:
            items.append(_answer(turn, column_id, answer, stamps.get(turn.id, ""), html, t, title))
    return items, len(conversation.turns) - len(turns)


def _prompt(turn: Turn, *, has_later: bool) -> Item:
    return {
        "key": f"{turn.id}?",
        "turn": turn.id,
        "role": "user",
        "text": turn.text,
        "images": turn.images,
        "hasLater": has_later,
    }


def _answer(
    turn: Turn,
    column_id: str,
    answer: Answer,
    stamp: str,
    html: Callable[[str], str | None],
    t: Words,
    title: Callable[[str], str],
) -> Item:
    reply = turn.replies[column_id]
    last = len(answer.steps) - 1
    return {
        "key": f"{turn.id}!",
        "turn": turn.id,
        "role": "assistant",
        "text": answer.text,
        "parts": [
            {
                "reasoning": step.reasoning.strip() if not stamp else step.reasoning,
                "text": step.text,
                "html": None if stamp and place == last else html(step.text),
                "calls": [
                    {"id": one.id, "name": one.name, "arguments": one.arguments, "result": one.result}
                    for one in step.calls
                ],
            }
            for place, step in enumerate(answer.steps)
        ],
        "stamp": stamp,
        "isWaiting": answer.waits_for_tools and not stamp,
        "version": min(reply.shown, len(reply.versions) - 1),
        "versions": len(reply.versions),
        "trouble": _trouble(answer, t, title) if not stamp else "",
        "notice": _notice(answer, t) if not stamp else "",
        "figures": figures_text(answer.figures, t) if not stamp else "",
        "figuresWhy": t("Times are measured in the console; the cost is of metering's record."),
    }


def _trouble(answer: Answer, t: Words, title: Callable[[str], str]) -> str:
    meant = title(answer.trouble_code) if answer.trouble_code else ""
    return "\n".join(filter(None, (meant, t(answer.trouble), hint_of(answer, t))))


def hint_of(answer: Answer, t: Words) -> str:
    """Return what somebody can do about an error; empty where there is nothing to say."""
    return t(_HINTS[answer.trouble_code]) if answer.trouble and answer.trouble_code in _HINTS else ""


def _notice(answer: Answer, t: Words) -> str:
    if answer.finish == "stopped":
        return t("Stopped.")
    if answer.finish == "length":
        return t("Cut at the most tokens.")
    return ""


def figures_text(figures: Figures, t: Words) -> str:
    """Return times, tokens and cost on one line, as far as they are known."""
    found: list[str] = []
    if figures.first_s is not None:
        found.append(t("first token {seconds} s", seconds=amount(figures.first_s)))
    if figures.output_tokens and figures.output_tokens > 1 and figures.writing_s > 0:
        found.append(t("{rate} tokens/s", rate=amount((figures.output_tokens - 1) / figures.writing_s)))
    if figures.input_tokens is not None and figures.output_tokens is not None:
        found.append(t("{input} + {output} tokens", input=figures.input_tokens, output=figures.output_tokens))
    if figures.cost_nano is not None:
        found.append(t("cost {cost}", cost=money(figures.cost_nano, figures.currency)))
    elif figures.is_metered:
        found.append(t("cost: no price"))
    return " · ".join(found)


def folders_of(found: Sequence[Listed], when: Callable[[float], str]) -> list[Item]:
    """Return conversations by folder, as the list takes them: folders by name, then what is in none."""
    folders: dict[str, list[Item]] = {}
    for one in found:
        folders.setdefault(one.folder, []).append({"id": one.id, "title": one.title, "when": when(one.updated_at)})
    order = sorted(folders, key=lambda name: (not name, name.lower()))
    return [{"name": name, "talks": folders[name]} for name in order]


def stops_of(text: str) -> list[str]:
    r"""Return stop sequences, one a line, with `\n` for an end of line. Raises ValueError: OpenAI takes four."""
    found = [line.replace("\\n", "\n") for line in text.split("\n") if line]
    if len(found) > 4:
        raise Unfit("At most 4 stop sequences, one a line.")
    return found


def number_of(value: object) -> float | None:
    """Return a field's number, None where it is empty."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
