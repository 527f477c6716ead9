"""A mapping whose changes lie beside it: what was read stays as it was, and what changed is known without comparing."""

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Generic, TypeVar

__all__ = ["Overlay"]

Row = TypeVar("Row")


class Overlay(MutableMapping[str, Row], Generic[Row]):
    """Reads fall through to `base`. `on_set` is told of every change as (before, after). Nothing is ever deleted."""

    __slots__ = ("_base", "_changed", "_on_set")

    def __init__(self, base: Mapping[str, Row], on_set: Callable[[Row | None, Row], None]) -> None:
        self._base = base
        self._changed: dict[str, Row] = {}
        self._on_set = on_set

    @property
    def changed(self) -> Mapping[str, Row]:
        """The rows that were set, in the order in which they were first set."""
        return self._changed

    def __getitem__(self, key: str) -> Row:
        row = self._changed.get(key)
        return self._base[key] if row is None else row

    def __setitem__(self, key: str, row: Row) -> None:
        before = self._changed.get(key) or self._base.get(key)
        self._changed[key] = row
        self._on_set(before, row)

    def __delitem__(self, key: str) -> None:
        raise TypeError("a decision deletes nothing")

    def __contains__(self, key: object) -> bool:
        return key in self._changed or key in self._base

    def __iter__(self) -> Iterator[str]:
        yield from self._base
        yield from (key for key in self._changed if key not in self._base)

    def __len__(self) -> int:
        return len(self._base) + sum(1 for key in self._changed if key not in self._base)
