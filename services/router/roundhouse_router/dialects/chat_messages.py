"""Messages of OpenAI's chat, put together turn by turn.

What chat templates insist on is seen to: one system message, at the beginning; no two user messages in a row; the
results of tools right after the calls.
"""

from typing import Any, Final, TypeAlias

__all__ = ["Document", "Messages", "image_part", "text_part"]

Document: TypeAlias = dict[str, Any]  # Any: JSON
_BETWEEN: Final = "\n\n"


def text_part(text: str) -> Document:
    return {"type": "text", "text": text}


def image_part(url: str, detail: str | None = None) -> Document:
    return {"type": "image_url", "image_url": {"url": url} if detail is None else {"url": url, "detail": detail}}


class Messages:
    """A conversation that grows at its end."""

    def __init__(self) -> None:
        self._system: list[str] = []
        self._turns: list[Document] = []
        self._late: list[Document] = []
        """What the user says once the results of tools are through."""

    def system(self, text: str) -> None:
        """Add instructions. After the first turn they join the user's words: many templates refuse them elsewhere, and
        to put them at the beginning would make every cached prefix worthless."""
        if not text:
            return
        if not self._turns:
            self._system.append(text)
        elif self._turns[-1].get("tool_calls"):
            self._late.append(text_part(text))
        elif self._turns[-1]["role"] == "tool":
            self._turns[-1]["content"] += _BETWEEN + text
        else:
            self.user([text_part(text)])

    def user(self, parts: list[Document]) -> None:
        """Add what a user says; nothing is added for no parts."""
        parts = [*self._held(), *parts]
        if not parts:
            return
        if self._turns and self._turns[-1]["role"] == "user":
            self._turns[-1]["content"] += parts
        else:
            self._turns.append({"role": "user", "content": parts})

    def assistant(self, text: str, *, thought: str = "", calls: list[Document] | None = None) -> None:
        """Add what the model said. Thoughts have two names among engines: each reads its own."""
        if not (text or thought or calls):
            return
        if self._late and self._turns and self._turns[-1]["role"] == "tool":
            self.user([])
        turn = self._turns[-1] if self._turns and self._turns[-1]["role"] == "assistant" else None
        if turn is None:
            turn = {"role": "assistant", "content": None}
            self._turns.append(turn)
        if text:
            turn["content"] = (turn["content"] or "") + text
        if thought:
            turn["reasoning_content"] = turn["reasoning"] = turn.get("reasoning", "") + thought
        if calls:
            turn["tool_calls"] = turn.get("tool_calls", []) + calls

    def later(self, parts: list[Document]) -> None:
        """Let the user say something before its next words, after the results of tools."""
        self._late += parts

    def tool(self, call_id: str, text: str) -> None:
        """Add what a tool returned."""
        self._turns.append({"role": "tool", "tool_call_id": call_id, "content": text})

    def made(self) -> list[Document]:
        """Return the messages."""
        self.user([])
        for turn in self._turns:
            if turn["role"] == "user":
                turn["content"] = _plain(turn["content"])
            elif turn["role"] == "assistant" and turn["content"] is None and "tool_calls" not in turn:
                turn["content"] = ""
        system = [{"role": "system", "content": _BETWEEN.join(self._system)}] if self._system else []
        return [*system, *self._turns]

    def _held(self) -> list[Document]:
        late, self._late = self._late, []
        return late


def _plain(parts: list[Document]) -> str | list[Document]:
    """Return text alone as a string: templates of models without vision take nothing else."""
    if all(part["type"] == "text" for part in parts):
        return "\n".join(part["text"] for part in parts)
    return parts
