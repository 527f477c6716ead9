"""Pages and panels: their heads, what they show when there is nothing, or when something is away."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

from nicegui import ui

from roundhouse_console.domain.errors import ConsoleError
from roundhouse_console.kit.here import t
from roundhouse_console.kit.signals import explain

__all__ = [
    "Tone",
    "badge",
    "empty",
    "error_note",
    "fact",
    "facts",
    "note",
    "page_head",
    "panel",
    "stat",
    "subnav",
    "tiles",
]

Tone = Literal["good", "busy", "warn", "bad", "quiet"]


@contextmanager
def page_head(title: str, subtitle: str = "", *, back: tuple[str, str] | None = None) -> Iterator[None]:
    """The head of a page; its block holds the actions at the right. `back` is a label and a path."""
    with ui.element("header").classes("rh-head"):
        with ui.element("div").classes("rh-head-text"):
            if back is not None:
                with ui.link(target=back[1]).classes("rh-back"):
                    ui.icon("arrow_back")
                    ui.label(back[0])
            ui.element("h1").classes("rh-title")._text = title
            if subtitle:
                ui.label(subtitle).classes("rh-subtitle")
        with ui.element("div").classes("rh-actions"):
            yield


def subnav(label: str, parts: Iterable[tuple[str, str, str]], current: str) -> None:
    """The pages of one part as links: name, path and title of each. On phones they are one row that scrolls."""
    with ui.element("nav").classes("rh-subnav") as made:
        for name, path, title in parts:
            one = ui.link(title, path).classes("rh-subnav-item")
            if name == current:
                one.props("aria-current=page")
    made.props["aria-label"] = label
    ui.run_javascript("roundhouseShowCurrent()")


@contextmanager
def panel(title: str = "", *, classes: str = "") -> Iterator[ui.element]:
    """A card with a heading."""
    with ui.element("section").classes(f"rh-panel {classes}") as section:
        if title:
            ui.element("h2").classes("rh-panel-title")._text = title
        yield section


def empty(
    text: str, *, icon: str = "inbox", action: str = "", href: str = "", on_click: Callable[[], object] | None = None
) -> None:
    """Say that there is nothing, and what to do next."""
    with ui.element("div").classes("rh-empty"):
        ui.icon(icon)
        ui.label(text)
        if action and href:
            ui.link(action, href).classes("rh-button")
        elif action and on_click is not None:
            ui.button(action, on_click=on_click).props("unelevated no-caps")


def error_note(error: ConsoleError, retry: Callable[[], object] | None = None) -> ui.element:
    """Show a reason where what it is about would have been."""
    with ui.element("div").classes("rh-note rh-bad").props("role=alert") as made:
        ui.icon("error_outline")
        ui.label(explain(error)).classes("rh-pre")
        if retry is not None:
            ui.button(t("Try again"), on_click=retry).props("flat dense no-caps")
    return made


def note(text: str, tone: Tone = "quiet", *, icon: str = "info") -> ui.element:
    """A remark that stays."""
    with ui.element("div").classes(f"rh-note rh-{tone}") as made:
        ui.icon(icon)
        ui.label(text).classes("rh-pre")
    return made


def badge(text: str, tone: Tone = "quiet") -> ui.label:
    """A state in a word; the colour only repeats it."""
    return ui.label(text).classes(f"rh-badge rh-{tone}")


@contextmanager
def tiles() -> Iterator[None]:
    """A row of figures that wraps."""
    with ui.element("div").classes("rh-tiles"):
        yield


def stat(label: str, value: str = "–", hint: str = "") -> ui.label:
    """A figure in a tile; returns the label of the value, to be changed later."""
    with ui.element("div").classes("rh-tile"):
        ui.label(label).classes("rh-tile-label")
        shown = ui.label(value).classes("rh-tile-value")
        if hint:
            ui.label(hint).classes("rh-tile-hint")
    return shown


@contextmanager
def facts() -> Iterator[None]:
    """A list of names and values."""
    with ui.element("dl").classes("rh-facts"):
        yield


def fact(name: str, value: str | Sequence[str], *, is_code: bool = False) -> ui.element:
    """One name and its value in `facts`."""
    text = value if isinstance(value, str) else ", ".join(value)
    with ui.element("div"):
        ui.element("dt")._text = name
        shown = ui.element("dd").classes("rh-code" if is_code else "")
        shown._text = text or "–"
    return shown
