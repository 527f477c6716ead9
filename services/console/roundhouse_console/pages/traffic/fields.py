"""Fields that write into a draft and tell when they did."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from nicegui import events, ui
from nicegui.elements.mixins.value_element import ValueElement

from roundhouse_console.kit.here import t
from roundhouse_console.pages.traffic.parts import select_of

__all__ = ["Fields"]

F = TypeVar("F", bound="ValueElement[Any]")  # Any: what the kind of field holds


class Fields:
    """Makes fields for the members of drafts. `changed` hears of every change."""

    def __init__(self, changed: Callable[[], object], *, is_read_only: bool = False) -> None:
        self.changed = changed
        self.is_read_only = is_read_only

    def text(self, draft: object, member: str, label: str, *, hint: str = "", example: str = "") -> ui.input:
        made = ui.input(label, value=getattr(draft, member), placeholder=example or None)
        made.props("outlined dense stack-label debounce=300").classes("rh-field")
        return self._tied(made, draft, member, hint)

    def number(self, draft: object, member: str, label: str, *, hint: str = "", suffix: str = "") -> ui.number:
        made = ui.number(label, value=getattr(draft, member), min=0, suffix=suffix or None)
        made.props("outlined dense stack-label debounce=300").classes("rh-field")
        return self._tied(made, draft, member, hint)

    def choice(
        self, draft: object, member: str, label: str, options: Mapping[str, str], *, hint: str = ""
    ) -> ui.select:
        value = getattr(draft, member)
        known = dict(options) if value in options else {value: value or t("choose"), **options}
        made = ui.select(known, value=value, label=label, with_input=len(known) > 12)
        made.props("outlined dense stack-label").classes("rh-field")
        return self._tied(made, draft, member, hint)

    def several(self, draft: object, member: str, label: str, options: dict[str, str], *, hint: str = "") -> ui.select:
        return self._tied(select_of(options, getattr(draft, member), label), draft, member, hint)

    def switch(self, draft: object, member: str, label: str) -> ui.switch:
        return self._tied(ui.switch(label, value=getattr(draft, member)), draft, member, "")

    def _tied(self, made: F, draft: object, member: str, hint: str) -> F:
        if hint:
            made.props["hint"] = hint
        if self.is_read_only:
            made.props("readonly disable")

        def take(event: events.ValueChangeEventArguments[Any]) -> object:
            empty = "" if isinstance(getattr(draft, member), str) else event.value
            setattr(draft, member, empty if event.value is None else event.value)
            return self.changed()

        made.on_value_change(take)
        return made
