"""The playground: conversations at the left, one column for each model, a prompt below."""

import asyncio
import weakref
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from nicegui import ui

from roundhouse_console.clients.chat import models_of, readiness
from roundhouse_console.domain.chatting import MOST_IMAGES, is_image
from roundhouse_console.domain.conversations import Conversation, Model, Sampling, Turn, next_column_id
from roundhouse_console.domain.errors import ConsoleError
from roundhouse_console.domain.playground import SHOWN_TURNS, Readiness, items_of, ready_first
from roundhouse_console.kit.chat import Composer, Thread, Told, markdown_html
from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.live import follow
from roundhouse_console.kit.panels import empty, note, page_head
from roundhouse_console.kit.refusals import refusal_title
from roundhouse_console.kit.signals import attempt, failed
from roundhouse_console.pages.playground.desk import Desk
from roundhouse_console.pages.playground.list import ConversationList
from roundhouse_console.pages.playground.sampling import change_sampling
from roundhouse_console.pages.playground.sharing import save_file, show_code

__all__ = ["show"]

_MOST_COLUMNS = 4
_MOST_PROMPT = 400_000


async def show(conversation_id: str = "", model: str = "") -> None:
    """`model` is chosen where it is one that the person may use, e.g. coming from the marketplace."""
    found = here()
    person = found.person
    names, ready, known = await asyncio.gather(
        models_of(person, found.clock), readiness(person), person.conversations.find(conversation_id)
    )
    models = ready_first(names, ready)
    if not models and known is None:
        with page_head(t("Playground")):
            pass
        empty(t("No model is published for you yet."), icon="chat", action=t("Deployments"), href="/deployments")
        return
    page = _Playground(models, model)
    page.build()
    page.open(Desk(person, found.clock, known, page.blank()))
    if conversation_id and known is None:
        ui.notify(t("There is no such conversation; it may have been deleted."), type="warning")
    await page.talks.refresh()
    await page.follow_readiness()


class _Playground:
    """One open page: what is shown of its desk, and what people do with it."""

    def __init__(self, models: list[str], wanted: str) -> None:
        """`models` come in the order in which they are taken where nobody chooses."""
        self._first = models
        self._models = sorted(models)
        self._wanted = wanted if wanted in models else (models[0] if models else "")
        self._client = ui.context.client
        self._threads: dict[str, Thread] = {}
        self._shown_turns = SHOWN_TURNS
        self.desk: Desk | None = None

    def blank(self) -> Conversation:
        """Return a new conversation with the models that are asked now."""
        if self.desk is None:
            return Conversation(models=[Model(id="c0", name=self._wanted)])
        names = [one.name for one in self.desk.conversation.models]
        models = [Model(id=f"c{number}", name=name) for number, name in enumerate(names)]
        return Conversation(models=models, sampling=self.desk.conversation.sampling)

    def build(self) -> None:
        with page_head(t("Playground")):
            self._buttons()
        with ui.element("div").classes("rh-playground") as self._body:
            self.talks = ConversationList(self)
            with ui.element("div").classes("rh-playground-main"):
                self._remark = ui.element("div").classes("rh-remark")
                self._columns = ui.element("div").classes("rh-columns")
                self._composer = Composer(self.send, self._stop, most_images=MOST_IMAGES)
        itself = weakref.ref(self)
        self._composer.on_gone = lambda: _leave(itself)
        self._client.on_disconnect(lambda: _leave(itself))

    def open(self, desk: Desk) -> None:
        """Show a conversation instead of the one that is shown."""
        if self.desk is not None:
            self.desk.leave()
        self.desk = desk
        self._shown_turns = SHOWN_TURNS
        desk.on_change, desk.on_kept, desk.on_grow = self._show_columns, self._kept, self._grow
        self._build_columns()
        path = f"/playground/{desk.known.listed.id}" if desk.known is not None else "/playground"
        ui.navigate.history.replace(path)

    def send(self, told: Told) -> None:
        text, images = told.get("text"), told.get("images")
        if not isinstance(text, str) or not isinstance(images, list) or self.desk is None or self.desk.is_busy:
            return
        kept = [one for one in images if is_image(one)][:MOST_IMAGES]
        if text.strip() or kept:
            self.desk.send(text[:_MOST_PROMPT], kept)
            for thread in self._threads.values():
                thread.to_end()

    async def follow_readiness(self) -> None:
        """Say above the conversation what cannot answer now, for as long as that is so."""

        async def ask() -> str:
            return self._what_waits(await readiness(here().person))

        with self._remark:
            await follow(ask, _remark)

    def _what_waits(self, ready: Mapping[str, Readiness]) -> str:
        if self._models and all(ready.get(one) == "waits" for one in self._models):
            return t("No model is ready now. Until one has started, questions are refused.")
        asked = [one.name for one in self.desk.conversation.models] if self.desk is not None else []
        if waiting := ", ".join(one for one in asked if ready.get(one) == "waits"):
            return t("{models} cannot answer now: no replica is ready. Choose another model, or wait.", models=waiting)
        return ""

    def _stop(self) -> None:
        if self.desk is not None:
            self.desk.stop()

    def _buttons(self) -> None:
        def button(text: str, icon: str, on_click: Any, classes: str = "") -> ui.button:  # Any: NiceGUI's handlers
            made = (
                ui.button(icon=icon, on_click=on_click).props("flat no-caps dense").classes(f"rh-head-button {classes}")
            )
            with made:
                ui.label(text).classes("rh-wide")
            made.props["aria-label"] = text
            return made

        button(t("Conversations"), "forum", lambda: self._body.classes(toggle="rh-talks-open"), "rh-talks-button")
        button(t("New conversation"), "add_comment", self.start_anew)
        button(t("Add a model"), "splitscreen", self._add_column)
        button(t("Settings"), "tune", self._change_sampling)
        button(t("Code"), "code", lambda: self.desk and show_code(self.desk.conversation))
        with button(t("Export"), "download", None), ui.menu():
            ui.menu_item("Markdown", on_click=lambda: self._save(is_json=False))
            ui.menu_item("JSON", on_click=lambda: self._save(is_json=True))

    def start_anew(self) -> None:
        found = here()
        self.open(Desk(found.person, found.clock, None, self.blank()))
        self.talks.show()

    async def _change_sampling(self) -> None:
        desk = self.desk
        if desk is None:
            return
        chosen: Sampling | None = await change_sampling(desk.conversation.sampling)
        if chosen is not None:
            desk.conversation.sampling = chosen
            self._keep_if_known()

    def _save(self, *, is_json: bool) -> None:
        if self.desk is not None:
            title = self.desk.known.listed.title if self.desk.known is not None else ""
            save_file(title, self.desk.conversation, is_json=is_json)

    def _add_column(self) -> None:
        desk = self.desk
        if desk is None or desk.is_busy:
            return
        models = desk.conversation.models
        if len(models) >= _MOST_COLUMNS:
            ui.notify(t("{most} models side by side at the most.", most=_MOST_COLUMNS), type="warning")
            return
        used = {one.name for one in models}
        name = next((one for one in self._first if one not in used), models[0].name)
        models.append(Model(id=next_column_id(desk.conversation), name=name))
        self._build_columns()
        self._keep_if_known()

    def _remove_column(self, column: Model) -> None:
        desk = self.desk
        if desk is None or desk.is_busy or len(desk.conversation.models) < 2:
            return
        desk.conversation.models.remove(column)
        self._build_columns()
        self._keep_if_known()

    def _keep_if_known(self) -> None:
        if self.desk is not None and self.desk.known is not None:
            self.desk.changed()

    def _build_columns(self) -> None:
        if self.desk is None:
            return
        self._columns.clear()
        self._threads = {}
        models = self.desk.conversation.models
        with self._columns:
            for column in models:
                with ui.element("section").classes("rh-column-of"):
                    self._column_head(column, is_alone=len(models) == 1)
                    self._threads[column.id] = Thread(
                        t("Conversation with {model}", model=column.name),
                        partial(self._act, column),
                        self._show_earlier,
                    )
        self._show_columns()

    def _column_head(self, column: Model, *, is_alone: bool) -> None:
        names = self._models if column.name in self._models else [column.name, *self._models]

        def chose(event: Any) -> None:  # Any: NiceGUI's event
            column.name = str(event.value)
            self._keep_if_known()

        with ui.element("div").classes("rh-column-head"):
            pick = ui.select(names, value=column.name, label=t("Model"), on_change=chose).props("outlined dense")
            pick.classes("rh-column-model")
            if not is_alone:
                ui.button(icon="close", on_click=lambda: self._remove_column(column)).props("flat dense round").props[
                    "aria-label"
                ] = t("Remove {model}", model=column.name)

    def _show_columns(self) -> None:
        desk = self.desk
        if desk is None or self._composer.is_deleted:
            return
        with self._composer:  # tasks that write answers have no page of their own
            for column_id, thread in self._threads.items():
                items, earlier = items_of(
                    desk.conversation,
                    column_id,
                    stamps=desk.stamps.get(column_id, {}),
                    most=self._shown_turns,
                    html=markdown_html,
                    t=t,
                    title=partial(refusal_title, status=0, language=here().preferences.language),
                )
                thread.put(items, earlier=earlier, is_busy=desk.is_busy)
        self._composer.set_busy(desk.is_busy)

    def _show_earlier(self) -> None:
        self._shown_turns += SHOWN_TURNS
        self._show_columns()

    def _grow(self, column_id: str, stamp: str, reasoning: str, text: str) -> None:
        if (thread := self._threads.get(column_id)) is not None and not thread.is_deleted:
            thread.grow(stamp, reasoning, text)

    async def _kept_shown(self) -> None:
        await attempt(self.talks.refresh)

    def _kept(self, error: ConsoleError | None) -> None:
        if self._composer.is_deleted or self.desk is None:
            return
        with self._composer:
            if error is not None:
                failed(error)
            elif self.desk.known is not None and not self.talks.has(self.desk.known.listed):
                ui.navigate.history.replace(f"/playground/{self.desk.known.listed.id}")
                ui.timer(0.01, self._kept_shown, once=True)

    def _act(self, column: Model, told: Told) -> None:
        desk = self.desk
        if desk is None or desk.is_busy:
            return
        turn: Turn | None = next((one for one in desk.conversation.turns if one.id == told.get("turn")), None)
        if turn is None:
            return
        name, value = told.get("name"), told.get("value")
        if name == "again":
            desk.again(turn, column)
        elif name == "edit" and isinstance(value, str) and value.strip():
            desk.edit(turn, value[:_MOST_PROMPT])
        elif name == "correct" and isinstance(value, str) and column.id in turn.replies:
            desk.correct(turn, column, value[:_MOST_PROMPT])
        elif name == "version" and isinstance(value, int) and column.id in turn.replies:
            desk.choose_version(turn, column, value)
        elif name == "result" and isinstance(value, str):
            desk.give_result(turn, column, str(told.get("call")), value[:_MOST_PROMPT])


def _remark() -> Callable[[str], None]:
    holder = ui.element("div")

    def put(text: str) -> None:
        holder.clear()
        if text:
            with holder:
                note(text, "warn", icon="hourglass_empty").props("role=status")

    return put


def _leave(page: "weakref.ref[_Playground]") -> None:
    """End what is being written when its page goes."""
    if (found := page()) is not None and found.desk is not None:
        found.desk.stop()
