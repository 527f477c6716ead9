"""A LiteLLM configuration becomes providers, routes and limits: what it would make is shown first."""

from typing import Final

from nicegui import ui

from roundhouse_console.clients.rest import Item
from roundhouse_console.kit.files import text_file
from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.panels import Tone, note, page_head, panel
from roundhouse_console.kit.signals import attempt
from roundhouse_console.kit.tables import Row, column, state, table

__all__ = ["show"]

_PATH = "/api/v1/routes:import-litellm"
_OUTCOMES: Final[dict[str, tuple[str, Tone]]] = {
    "taken": ("taken", "good"),
    "changed": ("taken in another way", "warn"),
    "left_out": ("left out", "bad"),
}
_MADE: Final = {
    "providers": "Providers: {created} new, {updated} changed, {unchanged} as they are",
    "routes": "Routes: {created} new, {updated} changed, {unchanged} as they are",
    "limits": "Limits: {created} new, {updated} changed, {unchanged} as they are",
}


async def show() -> None:
    with page_head(
        t("Import from LiteLLM"),
        t("A config.yaml becomes providers, routes and limits. Repeating it doubles nothing."),
        back=(t("Traffic"), "/traffic"),
    ):
        pass
    with panel(t("The configuration")):
        config = ui.textarea(t("config.yaml"), placeholder="model_list:\n  - model_name: …")
        config.props("outlined stack-label autogrow input-class=rh-code input-style=min-height:180px")
        text_file(config, accept=".yaml,.yml")
        steps = _Steps(config)
        with ui.element("div").classes("rh-dialog-buttons"):
            ui.button(t("Show what it would make"), icon="visibility", on_click=steps.plan).props("unelevated no-caps")
    steps.holder = ui.element("div").classes("rh-live")


class _Steps:
    """First the plan, then what it says. Values of the environment are typed here, sealed there, and kept nowhere."""

    holder: ui.element

    def __init__(self, config: ui.textarea) -> None:
        self._config = config

    async def plan(self) -> None:
        text = str(self._config.value or "")
        if not text.strip():
            ui.notify(t("Paste the configuration first."), type="warning", position="bottom")
            return
        found = await self._ask(text, {}, is_dry_run=True)
        if found is None:
            return
        self.holder.clear()
        with self.holder, panel(t("What it would make")):
            _lines(found)
            fields = {name: ui.input(name, password=True) for name in found["environment_needed"]}
            if fields:
                note(t("The file takes these from the environment. What stays empty can be added later."), icon="key")
            for field in fields.values():
                field.props("outlined dense stack-label autocomplete=off")
            with ui.element("div").classes("rh-dialog-buttons"):
                button = ui.button(t("Make it"), icon="check").props("unelevated no-caps")

        async def make() -> None:
            button.disable()
            given = {name: field.value for name, field in fields.items() if field.value}
            made = await self._ask(text, given, is_dry_run=False)
            button.enable()
            if made is not None:
                self._made(made)

        button.on_click(make)

    def _made(self, found: Item) -> None:
        here().person.cached.clear()
        self.holder.clear()
        with self.holder, panel(t("What was made")):
            _lines(found)
            with ui.element("div").classes("rh-dialog-buttons"):
                ui.link(t("To the routes"), "/traffic").classes("rh-button")

    async def _ask(self, text: str, environment: dict[str, str], *, is_dry_run: bool) -> Item | None:
        body: Item = {
            "config": text,
            "environment": environment,
            "is_dry_run": is_dry_run,
            "allows_missing_keys": True,
        }
        return await attempt(lambda: here().person.catalog.post(_PATH, body))


def _lines(found: Item) -> None:
    for kind, words in _MADE.items():
        made = found[kind]
        if any(made.values()):
            ui.label(t(words, **{change: len(names) for change, names in made.items()})).classes("rh-strong")
            names = [*made["created"], *made["updated"]]
            if names:
                ui.label(", ".join(names)).classes("rh-dim rh-break-words")
    rows: list[Row] = []
    for place, one in enumerate(found["lines"]):
        outcome, tone = _OUTCOMES.get(one["outcome"], (one["outcome"], "quiet"))
        rows.append(
            {"id": str(place), "path": one["path"], "outcome": state(t(outcome), tone), "detail": one["detail"]}
        )
    columns = [column("path", t("Line")), column("outcome", t("Outcome")), column("detail", t("Detail"), is_wide=True)]
    table(columns, label=t("Lines of the file"), rows=rows, nothing=t("The file says nothing."))
