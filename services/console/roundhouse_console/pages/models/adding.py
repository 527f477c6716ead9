"""A new model: from a hub, an address, a path, a Modelfile, or files of this browser."""

import asyncio
from typing import Any

from nicegui import ui

from roundhouse_console.clients.rest import Item
from roundhouse_console.domain.adding import WAYS, model_body, modelfile_body
from roundhouse_console.domain.models import KINDS
from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.panels import note, page_head, panel
from roundhouse_console.kit.signals import attempt, done
from roundhouse_console.pages.models.asking import forget_market, look_at
from roundhouse_console.pages.models.bringing import Bringing

__all__ = ["show"]

_ON_NODES = ("path", "python-package")
_FIELDS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "hugging-face": (
        ("uri", "Repository", "Qwen/Qwen3-0.6B"),
        ("revision", "Branch, tag or commit", "main"),
        ("patterns", "Only these files", "*Q4_K_M*.gguf"),
    ),
    "model-scope": (
        ("uri", "Repository", "Qwen/Qwen3-0.6B"),
        ("revision", "Branch, tag or commit", "master"),
        ("patterns", "Only these files", "*Q4_K_M*.gguf"),
    ),
    "http": (("uri", "Address of one file", "https://example.org/model.gguf"), ("sha256", "SHA-256, when known", "")),
    "path": (("uri", "Absolute path of a file or directory", "/models/model.gguf"),),
    "python-package": (("uri", "Package and file", "package/model.gguf"),),
}
"""By way: fields, their labels and what they look like."""


async def show() -> None:
    with page_head(t("Add a model"), t("It is yours to see until you publish it."), back=(t("Marketplace"), "/models")):
        pass
    _Adding().build()


class _Adding:
    """The page. `typed` is what the fields hold."""

    def __init__(self) -> None:
        self._way = "hugging-face"
        self._typed: dict[str, Any] = {"kind": "chat"}
        self._task: asyncio.Task[Item] | None = None
        self._bringing: Bringing | None = None

    def build(self) -> None:
        with panel(t("Where its files are")):
            with ui.tabs(on_change=lambda event: self._choose(str(event.value))) as tabs:
                for way, title in WAYS.items():
                    ui.tab(way, t(title))
            tabs.props("dense align=left no-caps inline-label mobile-arrows outside-arrows").classes("rh-tabs")
            self._place = ui.element("div").classes("rh-form")
        with panel(t("What it is")):
            with ui.element("div").classes("rh-fields"):
                self._field("name", t("Name"), hint=t("What people and programs call it by."))
                ui.select({one: t(one) for one in KINDS}, label=t("Kind")).props("outlined dense").bind_value(
                    self._typed, "kind"
                )
                self._field("licence", t("Licence"), hint=t("SPDX, e.g. Apache-2.0"))
                self._field("tags", t("Tags"), hint=t("with commas between"))
                self._field("context_length", t("Context in tokens"), hint=t("empty: as the files say"))
            ui.checkbox(t("Publish it at once")).bind_value(self._typed, "is_published")
        with ui.element("div").classes("rh-row"):
            self._go = ui.button(t("Add"), icon="add", on_click=self._start).props("unelevated no-caps")
            self._stop = ui.button(t("Cancel"), icon="close", on_click=self._cancel).props("outline no-caps")
            self._busy = ui.spinner(size="22px")
            self._said = ui.label().classes("rh-dim").props("role=status")
        self._rest("")
        tabs.set_value(self._way)

    def _field(self, name: str, label: str, *, hint: str = "", sample: str = "") -> ui.input:
        made = ui.input(label, placeholder=sample).props("outlined dense").bind_value(self._typed, name)
        if sample:
            made.props("stack-label")
        if hint:
            made.props["hint"] = hint
        return made

    def _choose(self, way: str) -> None:
        self._way = way
        self._bringing = None
        self._place.clear()
        with self._place:
            if way == "upload":
                self._bringing = Bringing(self._rest, self._work)
            elif way == "modelfile":
                ui.label(t("FROM names a model here, a repository such as hf:owner/name, or a path on the nodes."))
                text = ui.textarea(t("Modelfile"), placeholder="FROM smollm2-135m-instruct\nPARAMETER temperature 0.2")
                text.props("outlined dense autogrow stack-label input-class=rh-code").bind_value(
                    self._typed, "modelfile"
                )
            else:
                for name, label, sample in _FIELDS[way]:
                    self._field(name, t(label), sample=sample)
            if way in _ON_NODES:
                note(t("It must be there on every node that is to run the model."))

    async def _start(self) -> None:
        if self._bringing is not None:
            self._bringing.start(self._add_upload)
            return
        body = modelfile_body(self._typed) if self._way == "modelfile" else model_body(self._way, self._typed)
        path = "/api/v1/models:from-modelfile" if self._way == "modelfile" else "/api/v1/models"
        await self._add(path, body)

    async def _add_upload(self, upload_id: str, first_file: str) -> None:
        typed = {**self._typed, "uri": upload_id, "name": self._typed.get("name") or first_file.removesuffix(".gguf")}
        await self._add("/api/v1/models", model_body("upload", typed))

    async def _add(self, path: str, body: Item) -> None:
        looks = self._way not in _ON_NODES
        self._work(t("A node reads what the files say; that may take 40 seconds…"))
        person = here().person

        async def work() -> Item:
            made = await person.catalog.post(path, body)
            return made if looks else await look_at(person, made)

        self._task = asyncio.create_task(work())
        try:
            made = await attempt(lambda: _result(self._task))
        except asyncio.CancelledError:
            made = None
        self._rest("")
        if made is None:
            return
        forget_market(here())
        for remark in made.get("notes") or ():
            ui.notify(remark, type="info", timeout=0, close_button=t("Close"), multi_line=True)
        done(t("{name} is added.", name=made["name"]))
        ui.navigate.to(f"/models/{made['id']}")

    async def _cancel(self) -> None:
        if self._bringing is not None:
            await self._bringing.cancel()
        if self._task is not None:
            self._task.cancel()
        self._rest(t("Given up."))

    def _work(self, said: str) -> None:
        self._show(is_busy=True, said=said)

    def _rest(self, said: str) -> None:
        self._show(is_busy=False, said=said)

    def _show(self, *, is_busy: bool, said: str) -> None:
        self._go.set_enabled(not is_busy)
        self._stop.set_visibility(is_busy)
        self._busy.set_visibility(is_busy)
        self._said.set_text(said)


async def _result(task: "asyncio.Task[Item] | None") -> Item:
    assert task is not None
    return await task
