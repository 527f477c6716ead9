"""How a further host joins: a token for one use, and the command to paste there."""

from nicegui import ui

from roundhouse_console.clients.rest import Item
from roundhouse_console.domain.labels import labels_of
from roundhouse_console.kit.dialogs import form_dialog, show_secret, until_closed
from roundhouse_console.kit.here import here, t

__all__ = ["join"]

_HOURS = {3_600: "1 h", 6 * 3_600: "6 h", 86_400: "24 h"}


async def join() -> None:
    """Ask for what the node is to have, make a token, show the command once."""
    person = here().person
    with form_dialog(t("Join a node"), button=t("Make a token")) as (dialog, form):
        ui.label(t("The token is good for one node and one use. Run the command it comes with on that host."))
        region = ui.input(t("Region"), placeholder=t("none")).props("outlined dense")
        zone = ui.input(t("Zone"), placeholder=t("none")).props("outlined dense")
        labels = ui.input(t("Labels"), placeholder="pool=chat, rack=7").props("outlined dense")
        lives = ui.select(_HOURS, value=3_600, label=t("Good for")).props("outlined dense")

        async def send() -> Item:
            body: Item = {"region": region.value, "zone": zone.value, "ttl_s": lives.value}
            body["labels"] = labels_of(labels.value)
            return await person.scheduler.post("/api/v1/join-tokens", body)

        form.send = send
    made = await until_closed(dialog)
    if not made:
        return
    command = f"roundhouse node join {person.addresses.router_public} --token {made['token']}"
    why = t("Run this on the other host. The token is shown only now.")
    if made["is_local_only"]:
        why += " " + t("Only this host can reach the platform: start it with --listen to let others join.")
    await show_secret(t("Join a node"), command, why)
