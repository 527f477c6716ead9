"""A model's files on the nodes: what is there, and what is being fetched, live."""

from collections.abc import Callable
from typing import Final

from nicegui import ui

from roundhouse_console.clients.rest import Item
from roundhouse_console.domain.installed import file_progress, file_state
from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.live import follow
from roundhouse_console.kit.panels import panel
from roundhouse_console.kit.tables import Row, bar, column, link, state, table

__all__ = ["files_on_nodes"]

_FETCHED: Final = ("hugging-face", "model-scope", "http", "upload")


def files_on_nodes(model: Item) -> None:
    """Build the panel, for who may see nodes, of a model whose files nodes fetch."""
    if model["source"]["kind"] not in _FETCHED or not here().may("nodes:read"):
        return

    async def ask() -> list[Item]:
        return await here().person.scheduler.items("/api/v1/model-files", name=model["name"])

    with panel(t("On the nodes")):
        ui.timer(0, lambda: follow(ask, _table), once=True)
        ui.link(t("Fetch a model, cancel, clean up: model files of the nodes"), "/nodes/files").classes("rh-link")


def _table() -> Callable[[list[Item]], None]:
    put = table(
        [
            column("node", t("Node")),
            column("state", t("State")),
            column("here", t("Here")),
            column("speed", t("Speed, left"), is_wide=True),
        ],
        label=t("On the nodes"),
        search=False,
        order="node",
        nothing=t("No node has its files yet: they are fetched when a deployment needs them."),
    )
    return lambda found: put([_row(one) for one in found])


def _row(files: Item) -> Row:
    words, tone = file_state(files["state"])
    share, shown, speed = file_progress(files)
    return {
        "id": f"{files['node_id']}/{files['key']}",
        "node": link(files["hostname"], f"/nodes/{files['node_id']}"),
        "state": state(t(words), tone, files["detail"]),
        "here": bar(share, shown, "good" if tone == "busy" else tone),
        "speed": speed,
    }
