"""What operators do with a node and its devices."""

from collections.abc import Awaitable, Callable

from nicegui import ui

from roundhouse_console.clients.rest import Item, path_of
from roundhouse_console.domain.labels import labels_of, labels_text
from roundhouse_console.kit.dialogs import confirm, form_dialog, until_closed
from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.signals import attempt

__all__ = ["change_device", "node_buttons"]

Look = Callable[[], Awaitable[None]]


def node_buttons(node: Item, look: Look) -> None:
    """Build the buttons that fit the node's duty, for those who may use them."""
    if not here().may("nodes:write"):
        return

    def button(title: str, icon: str, do: Callable[[], Awaitable[bool]]) -> None:
        async def act() -> None:
            if await do():
                await look()

        ui.button(title, icon=icon, on_click=act).props("outline no-caps")

    if node["admission"] == "pending":
        button(t("Let in"), "verified", lambda: _post(node, "approve", t("{name} is let in.", name=node["hostname"])))
    if node["duty"] == "active":
        button(t("Cordon"), "block", lambda: _post(node, "cordon", t("Nothing new is placed on it.")))
        button(t("Drain"), "output", lambda: _drain(node))
        button(t("Maintenance"), "build", lambda: _maintain(node))
    else:
        button(t("Uncordon"), "play_arrow", lambda: _post(node, "uncordon", t("It takes replicas again.")))
    if node["state"] == "late":
        button(t("Give up"), "heart_broken", lambda: _give_up(node))
    button(t("Labels"), "label", lambda: _labels(node))
    button(t("Remove"), "delete", lambda: _remove(node))


async def _post(node: Item, verb: str, told: str, body: Item | None = None) -> bool:
    path = path_of("/api/v1/nodes/{}", node["id"]) + f":{verb}"
    return await attempt(lambda: here().person.scheduler.post(path, body), told) is not None


def _leaving(node: Item) -> str:
    """Say how many replicas leave a node, and how."""
    return t(
        "{count|replica runs|replicas run} here. They are replaced elsewhere first, finish what they answer, and end.",
        count=node["replicas_count"],
    )


async def _drain(node: Item) -> bool:
    what = [
        _leaving(node),
        t("Nothing new is placed on the node until it is uncordoned."),
    ]  # fmt: skip
    if not await confirm(t("Drain {name}?", name=node["hostname"]), what, button=t("Drain")):
        return False
    return await _post(node, "drain", t("{name} is being drained.", name=node["hostname"]))


async def _maintain(node: Item) -> bool:
    title = t("Maintenance of {name}", name=node["hostname"])
    with form_dialog(title, button=t("Begin maintenance")) as (dialog, form):
        ui.label(_leaving(node))
        ui.label(t("Its silence alarms nobody until it is uncordoned."))
        reason = ui.input(t("Reason")).props("outlined dense autofocus")

        async def send() -> Item:
            path = path_of("/api/v1/nodes/{}:maintenance", node["id"])
            return await here().person.scheduler.post(path, {"reason": reason.value})

        form.send = send
    return bool(await until_closed(dialog))


async def _give_up(node: Item) -> bool:
    what = [
        t("The node is taken for dead: its {count|replica is|replicas are} replaced now, without waiting for it.",
          count=node["replicas_count"]),
        t("Do this only when the host is surely off. If it still runs, replicas run twice for a while."),
    ]  # fmt: skip
    name = node["hostname"]
    if not await confirm(t("Give up {name}?", name=name), what, button=t("Give up"), type_to_confirm=name):
        return False
    return await _post(node, "give-up", t("The replicas of {name} are replaced.", name=name))


async def _remove(node: Item) -> bool:
    what = [
        t("The node's credentials are void at once, and the engines on it are stopped."),
        t(
            "{count|replica runs here; it is|replicas run here; they are} placed elsewhere where there is room.",
            count=node["replicas_count"],
        ),
        t("To come back it must join anew."),
    ]
    name = node["hostname"]
    if not await confirm(t("Remove {name}?", name=name), what, button=t("Remove"), type_to_confirm=name):
        return False
    path = path_of("/api/v1/nodes/{}", node["id"])

    async def remove() -> bool:
        await here().person.scheduler.delete(path)
        return True

    if await attempt(remove, t("{name} is removed.", name=name)):
        ui.navigate.to("/nodes")
    return False


async def _labels(node: Item) -> bool:
    person = here().person
    with form_dialog(t("Where {name} is", name=node["hostname"]), button=t("Save")) as (dialog, form):
        region = ui.input(t("Region"), value=node["region"]).props("outlined dense")
        zone = ui.input(t("Zone"), value=node["zone"]).props("outlined dense")
        labels = ui.input(t("Labels"), value=labels_text(node["own_labels"]), placeholder="pool=chat, rack=7")
        labels.props("outlined dense")

        async def send() -> bool:
            body = {"region": region.value, "zone": zone.value, "labels": labels_of(labels.value)}
            await person.scheduler.patch(path_of("/api/v1/nodes/{}", node["id"]), body)
            return True

        form.send = send
    return await until_closed(dialog) is True


async def change_device(node: Item, device: str, name: str) -> bool:
    """Take a device out of use, after asking, or give it back. True: it was done."""
    path = path_of("/api/v1/nodes/{}/devices/{}", node["id"], device)
    if name == "release":
        return await attempt(lambda: here().person.scheduler.post(f"{path}:release")) is not None
    with form_dialog(t("Quarantine a device of {name}", name=node["hostname"]), button=t("Quarantine")) as (
        dialog,
        form,
    ):
        ui.label(t("Nothing new is placed on it; what runs on it goes on until it is moved."))
        reason = ui.input(t("Reason")).props("outlined dense autofocus")

        async def send() -> bool:
            await here().person.scheduler.post(f"{path}:quarantine", {"reason": reason.value})
            return True

        form.send = send
    return await until_closed(dialog) is True
