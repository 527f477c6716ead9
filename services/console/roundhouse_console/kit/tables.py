"""Tables: one element each, however many rows, with cells of a few kinds."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from nicegui import events, ui

from roundhouse_console.kit.data import put_data
from roundhouse_console.kit.here import t
from roundhouse_console.kit.panels import Tone

__all__ = ["Row", "action", "actions", "bar", "column", "link", "spark", "state", "table", "text"]

Row = dict[str, Any]
"""Values by column name: texts, numbers, or what `link`, `state`, `text`, `bar`, `spark`, `actions` give; and `id`."""

_SORT: Final = """(a, b) => {
  const value = (v) => (v && typeof v === 'object' ? v.sort : v);
  const x = value(a), y = value(b);
  if (typeof x === 'number' && typeof y === 'number') return x - y;
  return String(x ?? '').localeCompare(String(y ?? ''), undefined, {numeric: true});
}"""
_FILTER: Final = (
    "(rows, terms) => rows.filter((row) => JSON.stringify(row).toLowerCase().includes(terms.toLowerCase()))"
)
_CELL: Final = (Path(__file__).parent / "cell.html").read_text(encoding="utf-8")
"""The template of a cell, by its kind. Texts are interpolated, never markup."""


def column(
    name: str,
    label: str,
    *,
    align: Literal["left", "right", "center"] = "left",
    is_wide: bool = False,
    is_sortable: bool = True,
    wraps: bool = False,
) -> Row:
    """A column. `is_wide` ones are left out on phones; one that wraps holds long texts."""
    classes = f"{'rh-wide' if is_wide else ''} {'rh-wraps' if wraps else ''}".strip()
    made: Row = {"name": name, "label": label, "field": name, "align": align, "sortable": is_sortable}
    return {**made, "classes": classes, "headerClasses": classes, ":sort": _SORT}


def link(text: str, href: str, sub: str = "") -> Row:
    """A cell that leads to a page. `sub` is a second, quieter line."""
    return {"kind": "link", "text": text, "href": href, "sub": sub, "sort": text}


def state(text: str, tone: Tone, why: str = "") -> Row:
    """A cell with a state; `why` shows on hover."""
    return {"kind": "state", "text": text, "tone": tone, "why": why, "sort": text}


def text(shown: str, *, sort: float | str | None = None, sub: str = "", why: str = "") -> Row:
    """A cell that sorts by something else than it shows."""
    return {"kind": "text", "text": shown, "sub": sub, "why": why, "sort": shown if sort is None else sort}


def bar(share: float, shown: str, tone: Tone = "good") -> Row:
    """A cell with a share of 1 as a bar."""
    return {"kind": "bar", "share": share, "text": shown, "tone": tone, "sort": share}


def spark(values: Sequence[float], shown: str) -> Row:
    """A cell with a small curve."""
    top = max(values, default=0) or 1
    width = 100 / max(1, len(values) - 1)
    points = " ".join(f"{place * width:.1f},{23 - 22 * value / top:.1f}" for place, value in enumerate(values))
    return {"kind": "spark", "points": points, "text": shown, "sort": values[-1] if values else 0}


def action(name: str, icon: str, label: str, *, is_destructive: bool = False) -> Row:
    """A button for `actions`; the table's `on_action` is told the row's id and the name."""
    return {"name": name, "icon": icon, "label": label, "tone": "bad" if is_destructive else ""}


def actions(*buttons: Row) -> Row:
    """A cell with buttons."""
    return {"kind": "actions", "items": list(buttons), "sort": ""}


def table(
    columns: Sequence[Row],
    *,
    label: str,
    rows: Sequence[Row] = (),
    on_action: Callable[[str, str], object] | None = None,
    search: bool = True,
    per_page: int = 25,
    order: str = "",
    is_descending: bool = False,
    nothing: str = "",
) -> Callable[[Sequence[Row]], None]:
    """Make a table and return what puts rows into it. `label` names it for screen readers."""
    find: ui.input | None = None
    with ui.element("div").classes("rh-table"):
        if search:
            find = ui.input(placeholder=t("Search")).props(
                f'dense outlined clearable debounce=200 aria-label="{t("Search")}"'
            )
            find.classes("rh-search")
        made = ui.table(
            columns=list(columns),
            rows=list(rows),
            row_key="id",
            pagination={"rowsPerPage": per_page, "sortBy": order or None, "descending": is_descending},
        )
    made.props(f'flat :filter-method="{_FILTER}" role=region')
    made.props["aria-label"] = label
    made.props["no-data-label"] = nothing or t("Nothing here yet.")
    made.props["no-results-label"] = t("Nothing matches.")
    made.props["hide-pagination"] = len(rows) <= per_page
    made.add_slot("body-cell", _CELL)
    made.add_slot("no-data", '<div class="rh-nothing">{{ props.message }}</div>')
    if find is not None:
        find.bind_value_to(made, "filter")
    if on_action is not None:
        made.on("act", lambda event: _acted(event, on_action))

    def put(found: Sequence[Row]) -> None:
        made.props["hide-pagination"] = len(found) <= per_page
        put_data(made, rows=list(found))

    return put


async def _acted(event: events.GenericEventArguments, on_action: Callable[[str, str], object]) -> None:
    told: Mapping[str, Any] = event.args
    made = on_action(str(told.get("id", "")), str(told.get("name", "")))
    if made is not None and hasattr(made, "__await__"):
        await made
