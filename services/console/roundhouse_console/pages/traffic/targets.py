"""The part of a route's form that says where it leads: targets, and fallbacks for when they fail."""

from nicegui import ui

from roundhouse_console.domain.routing import REASONS, FallbackDraft, RouteDraft, TargetDraft
from roundhouse_console.kit.here import t
from roundhouse_console.pages.traffic.fields import Fields
from roundhouse_console.pages.traffic.parts import fold
from roundhouse_console.pages.traffic.settings import Known

__all__ = ["Fallbacks", "Targets"]


class Targets:
    """Rows of targets. Each is built once; adding and removing leaves the others as they are."""

    def __init__(self, fields: Fields, draft: RouteDraft, known: Known) -> None:
        self._fields = fields
        self._draft = draft
        self._known = known
        self._rows = ui.element("div").classes("rh-column")
        for one in draft.targets:
            self._row(one)
        if not fields.is_read_only:
            ui.button(t("Add a target"), icon="add", on_click=self._add).props("flat dense no-caps").classes("rh-start")

    async def _add(self) -> None:
        one = TargetDraft()
        self._draft.targets.append(one)
        self._row(one)
        await _told(self._fields)

    def _row(self, target: TargetDraft) -> None:
        fields, number = self._fields, self._draft.targets.index(target) + 1
        with self._rows, ui.element("div").classes("rh-target") as row:
            row.props("role=group").props["aria-label"] = t("Target {n}", n=number)
            with ui.element("div").classes("rh-target-line"):
                to = fields.choice(target, "to", t("Deployment or provider"), self._known.destinations)
                model = fields.text(target, "model", t("Its model"), example=t("as the client sent it"))
                model.bind_visibility_from(to, "value", lambda value: str(value).startswith("provider:"))
                fields.number(target, "weight", t("Weight")).classes("rh-narrow-field")
                fields.number(target, "priority", t("Priority")).classes("rh-narrow-field")
                if not fields.is_read_only:
                    gone = ui.button(icon="close", on_click=lambda: self._remove(target, row))
                    gone.props("flat dense round").props["aria-label"] = t("Remove target {n}", n=number)
            with fold(t("Only for some requests"), is_open=target.is_for_some), ui.element("div").classes("rh-fields"):
                fields.text(target, "header", t("With the header"), example="x-beta")
                fields.text(target, "value", t("Its value"), example=t("any"))
                fields.several(target, "key_ids", t("With the API keys"), self._known.keys)
                fields.text(target, "users", t("Of the users"), hint=t("With commas between"))

    async def _remove(self, target: TargetDraft, row: ui.element) -> None:
        self._draft.targets[:] = [one for one in self._draft.targets if one is not target]
        row.delete()
        await _told(self._fields)


class Fallbacks:
    """Rows of fallbacks."""

    def __init__(self, fields: Fields, draft: RouteDraft, known: Known) -> None:
        self._fields = fields
        self._draft = draft
        self._routes = {one: one for one in known.routes if one != draft.name}
        self._rows = ui.element("div").classes("rh-column")
        for one in draft.fallbacks:
            self._row(one)
        if not fields.is_read_only:
            ui.button(t("Add a fallback"), icon="add", on_click=self._add).props("flat dense no-caps").classes(
                "rh-start"
            )

    async def _add(self) -> None:
        one = FallbackDraft()
        self._draft.fallbacks.append(one)
        self._row(one)
        await _told(self._fields)

    def _row(self, fallback: FallbackDraft) -> None:
        fields = self._fields
        with self._rows, ui.element("div").classes("rh-target-line") as row:
            fields.choice(fallback, "reason", t("When"), {one: t(title) for one, title in REASONS.items()})
            fields.choice(fallback, "route", t("Then the route"), self._routes)
            if not fields.is_read_only:
                ui.button(icon="close", on_click=lambda: self._remove(fallback, row)).props(
                    f'flat dense round aria-label="{t("Remove the fallback")}"'
                )

    async def _remove(self, fallback: FallbackDraft, row: ui.element) -> None:
        self._draft.fallbacks[:] = [one for one in self._draft.fallbacks if one is not fallback]
        row.delete()
        await _told(self._fields)


async def _told(fields: Fields) -> None:
    made = fields.changed()
    if made is not None and hasattr(made, "__await__"):
        await made
