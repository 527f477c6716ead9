"""Values of a model's config.json, each checked when it is taken: anybody can write anything there."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from roundhouse_common.sizing.readers.strict_json import JsonObject

__all__ = ["Fields"]

_MOST: Final = 1 << 40
_SHOWN: Final = 40


class Fields:
    """A config with the text model's part laid over the whole. What is there and cannot be is a gap."""

    def __init__(self, config: Mapping[str, Any]) -> None:  # Any: a JSON document
        self._config = config
        self.gaps: list[str] = []

    @classmethod
    def of_text_model(cls, config: JsonObject) -> "Fields":
        """Return the fields of the part that generates text: multimodal models nest it."""
        merged = dict(config)
        inner: object = config
        for path in (("thinker_config", "text_config"), ("text_config",), ("llm_config",), ("language_config",)):
            inner = config
            for name in path:
                inner = inner.get(name) if isinstance(inner, dict) else None
            if isinstance(inner, dict):
                merged.update(inner)
                break
        return cls(merged)

    def has(self, *names: str) -> bool:
        """Whether one of them is there and not null."""
        return any(self._config.get(name) is not None for name in names)

    def raw(self, name: str) -> object:
        """Return whatever is there, to compare it with a constant."""
        return self._config.get(name)

    def number(self, *names: str, wanted: str = "") -> int:
        """Return the first that is there, a whole number from 1 on; 0 when none is. `wanted` makes absence a gap."""
        for name in names:
            value = self._config.get(name)
            if value is None:
                continue
            if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST:
                return value
            self.gaps.append(f"config.json: {name} is {str(value)[:_SHOWN]!r}, not a whole number from 0 on")
            return 0
        if wanted:
            self.gaps.append(f"config.json does not say {wanted} ({' or '.join(names)})")
        return 0

    def flag(self, name: str) -> bool:
        """Return whether it is true."""
        return self._config.get(name) is True

    def text(self, *names: str) -> str:
        """Return the first text that is there; empty when none is."""
        return next((value for name in names if isinstance(value := self._config.get(name), str)), "")

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of texts; empty when it is none."""
        value = self._config.get(name)
        is_texts = isinstance(value, list) and all(isinstance(item, str) for item in value)
        return tuple(value) if is_texts and isinstance(value, list) else ()

    def numbers(self, name: str) -> tuple[int, ...]:
        """Return a list of whole numbers; empty when it is none."""
        value = self._config.get(name)
        is_numbers = isinstance(value, list) and all(type(item) is int for item in value)
        return tuple(value) if is_numbers and isinstance(value, list) else ()

    def inner(self, name: str) -> "Fields":
        """Return the fields of a nested object; none when it is none. Its gaps are its own."""
        value = self._config.get(name)
        return Fields(value if isinstance(value, dict) else {})

    def first_of(self, name: str) -> "Fields":
        """Return the first nested object inside a nested object, by the order of the file."""
        value = self._config.get(name)
        inner: Sequence[object] = list(value.values()) if isinstance(value, dict) else []
        return Fields(next((item for item in inner if isinstance(item, dict)), {}))
