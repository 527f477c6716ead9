"""How results are shown: a table for people, JSON for programs."""

import enum
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from roundhouse_cli.rest import Item
from roundhouse_cli.units import show_bytes

__all__ = ["Column", "OutputFormat", "note", "show_item", "show_items"]

_STYLES = {
    **dict.fromkeys(("ready", "Running", "published", "active", "yes"), "green"),
    **dict.fromkeys(("failed", "lost", "Error", "unreachable", "not ready", "revoked", "expired"), "red"),
    **dict.fromkeys(
        ("pending", "assigned", "fetching", "starting", "draining", "unknown", "late", "Preparing", "Shutting Down"),
        "yellow",
    ),
}
_UNBOUNDED = 100_000
_NARROWEST_TEXT = 24
"""Columns. A table that would have to squeeze its text below this is wider than the terminal instead."""


class OutputFormat(enum.StrEnum):
    TABLE = "table"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    title: str
    value: Callable[[Item], object]
    is_wrapped: bool = False
    """Whether long text may go over several lines; other columns never break."""


def show_items(items: Sequence[Item], columns: Sequence[Column], output: OutputFormat, *, empty: str) -> None:
    """Print a listing; `empty` says what it means that there is nothing."""
    if output is OutputFormat.JSON:
        _print_json(list(items))
        return
    if not items:
        note(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(
            column.title,
            no_wrap=not column.is_wrapped,
            overflow="fold",
            min_width=_NARROWEST_TEXT if column.is_wrapped else None,
        )
    for item in items:
        table.add_row(*(_cell(column.value(item)) for column in columns))
    _print_table(table)


def show_item(item: Item, output: OutputFormat) -> None:
    """Print one thing whole: every field a line, or JSON."""
    if output is OutputFormat.JSON:
        _print_json(item)
        return
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for name, value in _fields(item):
        table.add_row(name, _cell(_readable(name, value)))
    _print_table(table)


def note(text: str) -> None:
    """Tell the person something that is not the result; it goes to stderr."""
    print(text, file=sys.stderr)


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


def _fields(item: Item, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield every field; those of an object inside carry its name before theirs."""
    for name, value in item.items():
        if isinstance(value, dict) and value:
            yield from _fields(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _readable(name: str, value: object) -> object:
    if name.endswith("_bytes") and isinstance(value, int):
        return show_bytes(value)
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "\n".join(value)
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False) if value else None
    return value


def _cell(value: object) -> Text:
    text = "-" if value is None or value == "" else str(value)
    if isinstance(value, bool):
        text = "yes" if value else "no"
    return Text(text, style=_STYLES.get(text, ""))


def _print_table(table: Table) -> None:
    """Print as wide as the terminal, or as wide as the table needs where that is more: no cell is ever cut.

    Without a terminal nothing is folded, or padded at the end.
    """
    if sys.stdout.isatty():
        console = Console(highlight=False)
        needed = Measurement.get(console, console.options.update_width(_UNBOUNDED), table).minimum
        Console(highlight=False, width=max(needed, console.width)).print(table)
        return
    console = Console(highlight=False, width=_UNBOUNDED, color_system=None)
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        print(line.rstrip())
