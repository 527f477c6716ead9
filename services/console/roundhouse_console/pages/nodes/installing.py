"""Having an engine installed, and what an installation wrote."""

from typing import Final

from nicegui import ui

from roundhouse_console.clients.rest import Item, path_of
from roundhouse_console.domain.errors import ConsoleError
from roundhouse_console.domain.installed import is_busy
from roundhouse_console.kit.dialogs import form_dialog, until_closed
from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.signals import attempt, done, explain
from roundhouse_console.pages.nodes.parts import choose_nodes, node_names

__all__ = ["install", "show_log"]

_ENGINES: Final = (
    "vllm",
    "sglang",
    "llama.cpp",
    "transformers",
    "lmdeploy",
    "llama-server",
    "mindie",
    "ollama",
    "xinference",
)
_TAIL: Final = 400
_EVERY_S: Final = 1.0
_MOST_CHARACTERS: Final = 200_000


async def install() -> bool:
    """Ask which engine goes where, and order it. True: it was ordered."""
    names = await attempt(node_names)
    if names is None:
        return False
    methods = {
        "environment": t("A new environment from pinned packages"),
        "path": t("What is on the nodes already"),
        "image": t("A container image"),
    }
    with form_dialog(t("Install an engine"), button=t("Install")) as (dialog, form):
        engine = ui.select(list(_ENGINES), value=_ENGINES[0], label=t("Engine")).props("outlined dense")
        method = ui.select(methods, value="environment", label=t("Method")).props("outlined dense")
        version = ui.input(t("Version"), placeholder=t("newest")).props("outlined dense")
        variant = ui.input(t("Variant"), placeholder=t("what fits the devices")).props("outlined dense")
        for field in (version, variant):
            field.bind_visibility_from(method, "value", lambda value: value == "environment")
        path = ui.input(t("Path of the environment or program"), placeholder="/opt/vllm").props("outlined dense")
        path.bind_visibility_from(method, "value", lambda value: value == "path")
        image = ui.input(t("Image"), placeholder="docker.io/vllm/vllm-openai:v0.32.0").props("outlined dense")
        image.bind_visibility_from(method, "value", lambda value: value == "image")
        nodes = choose_nodes(names)

        async def send() -> Item:
            way = str(method.value)
            body: Item = {"engine": engine.value, "method": way, "nodes": nodes()}
            if way == "environment":
                body |= {"version": version.value or "", "variant": variant.value or ""}
            body |= {"path": path.value} if way == "path" else {"image": image.value} if way == "image" else {}
            return await here().person.scheduler.post("/api/v1/engine-orders", body)

        form.send = send
    if not await until_closed(dialog):
        return False
    done(t("Ordered. The table shows how far each node is."))
    return True


async def show_log(engine: Item) -> None:
    """Show what an installation wrote, and go on while it does."""
    path = path_of("/api/v1/nodes/{}/engines/{}/log", engine["node_id"], engine["environment_id"])
    offset, written = -1, ""
    with ui.dialog() as dialog, ui.card().classes("rh-dialog rh-large"):
        ui.element("h2").classes("rh-panel-title")._text = dialog.props["aria-label"] = (
            f"{engine['environment_id']} · {engine['hostname']}"
        )
        shown = ui.label().classes("rh-log rh-log-tall").props(f'tabindex=0 role=log aria-label="{t("Log")}"')
        with ui.element("div").classes("rh-dialog-buttons"):
            ui.button(t("Close"), on_click=dialog.close).props("flat no-caps")

        async def look() -> None:
            nonlocal offset, written
            place = {"tail": _TAIL} if offset < 0 else {"offset": offset}
            try:
                chunk = await here().person.scheduler.get(path, **place)
            except ConsoleError as error:
                shown.set_text(f"{written}\n{explain(error)}".strip())
                return
            if shown.is_deleted:
                return
            written = (written + chunk["text"])[-_MOST_CHARACTERS:]
            offset = chunk["next_offset"]
            shown.set_text(written or chunk["error"] or t("(no lines yet)"))

        await look()
        if is_busy(engine["state"]):
            ui.timer(_EVERY_S, look, immediate=False)
    await until_closed(dialog)
