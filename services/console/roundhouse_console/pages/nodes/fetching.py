"""Having nodes fetch a model's files ahead of need."""

import asyncio

from nicegui import ui

from roundhouse_console.clients.rest import Item
from roundhouse_console.domain.installed import file_source, is_fetched
from roundhouse_console.kit.dialogs import form_dialog, until_closed
from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.signals import attempt, done
from roundhouse_console.pages.nodes.parts import choose_nodes, node_names

__all__ = ["fetch"]


async def fetch() -> bool:
    """Ask which model goes where, and order it. True: it was ordered."""
    found = await attempt(_choices)
    if found is None:
        return False
    models, names = found
    by_id = {one["id"]: one for one in models if is_fetched(one["source"])}
    shown = {one["id"]: f"{one['name']} ({file_source(one['source'])})" for one in by_id.values()}
    with form_dialog(t("Fetch a model"), button=t("Fetch")) as (dialog, form):
        ui.label(t("Replicas then start there without waiting for a download."))
        model = ui.select(shown, with_input=True, label=t("Model")).props("outlined dense")
        nodes = choose_nodes(names)

        async def send() -> Item:
            if model.value is None:
                raise ValueError(t("Choose a model."))
            chosen = by_id[model.value]
            source = {name: value for name, value in chosen["source"].items() if value}
            if chosen["resolved_revision"]:
                source["revision"] = chosen["resolved_revision"]
            body = {"name": chosen["name"], "source": source, "nodes": nodes()}
            return await here().person.scheduler.post("/api/v1/file-orders", body)

        form.send = send
    if not await until_closed(dialog):
        return False
    done(t("Ordered. The table shows how far each node is."))
    return True


async def _choices() -> tuple[list[Item], dict[str, str]]:
    models, names = await asyncio.gather(here().person.catalog.items("/api/v1/models"), node_names())
    return models, names
