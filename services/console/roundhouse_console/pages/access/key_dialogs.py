"""What one does with an API key."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from nicegui import ui

from roundhouse_console.clients.names import names_of
from roundhouse_console.clients.rest import Item, path_of
from roundhouse_console.domain.access import last_used, parts_of, state_of_secret, try_command
from roundhouse_console.domain.errors import ConsoleError
from roundhouse_console.domain.times import instant
from roundhouse_console.kit.dialogs import confirm, form_dialog, show_secret, until_closed
from roundhouse_console.kit.here import ago, at_time, here, t
from roundhouse_console.kit.panels import fact, facts
from roundhouse_console.kit.signals import attempt, done
from roundhouse_console.pages.access.parts import expiry_field, field, picks

__all__ = ["DOES", "USED_DAYS", "create"]

USED_DAYS: Final = 30
"""How far back the use of keys is looked for."""
_PATH: Final = "/api/v1/api-keys"
_PLACEHOLDER: Final = "$ROUNDHOUSE_API_KEY"
_OVERLAPS: Final = {0: "at once", 3_600: "after 1 hour", 86_400: "after 1 day", 7 * 86_400: "after 7 days"}


async def create() -> None:
    """Ask what the key is for, make it, show its secret once with a command to try it."""
    me, person = here().me, here().person
    deployments = await names_of(person, "deployment")
    people = await names_of(person, "user") if me.may("keys:admin") else {}
    with form_dialog(t("Create a key"), button=t("Create")) as (dialog, form):
        name = field(t("Name"), hint=t("Where it is used, e.g. laptop.")).props("autofocus")
        _, expires_at = expiry_field()
        project = ui.select({"": t("none"), **me.project_names}, value="", label=t("Project")).props("outlined dense")
        project.set_visibility(bool(me.project_names))
        owner = ui.select(people or {me.id: me.name}, value=me.id if me.id in people or not people else None,
                          label=t("Owner"), with_input=True).props("outlined dense")  # fmt: skip
        owner.set_visibility(bool(people))
        read = _bounds(deployments)

        async def send() -> Item:
            body: Item = {"name": name.value, "expires_at": expires_at(), "project_id": project.value or "", **read()}
            if owner.value and owner.value != me.id:
                body["user_id"] = owner.value
            return await person.catalog.post(_PATH, body)

        form.send = send
    if made := await until_closed(dialog):
        await _show(made, t("Your new key"))


def _bounds(deployments: Mapping[str, str], key: Item | None = None) -> Callable[[], Item]:
    """Fields for what a key is kept to; returns what reads them."""
    now = key or {"models": [], "deployment_ids": [], "ip_ranges": [], "priority": 0}
    names = {**{one: one for one in now["deployment_ids"]}, **deployments}
    with (
        ui.expansion(t("Restrict what it may do"), value=key is not None).classes("rh-expansion"),
        ui.element("div").classes("rh-form"),
    ):
        models = field(
            t("Models"), ", ".join(now["models"]), example="smollm2-*, qwen3-8b", hint=t("Empty: all. * is any.")
        )
        chosen = picks(t("Deployments"), names, list(now["deployment_ids"]))
        ranges = field(
            t("Networks"), ", ".join(now["ip_ranges"]), example="10.0.0.0/8", hint=t("Empty: from everywhere.")
        )
        priority = ui.number(t("Priority"), value=now["priority"], min=-100, max=100, precision=0)
        priority.props("outlined dense")
        priority.props["hint"] = t("Where engines are full: -100 to 100, higher goes first.")
    return lambda: {
        "models": parts_of(models.value),
        "deployment_ids": list(chosen.value or []),
        "ip_ranges": parts_of(ranges.value),
        "priority": int(priority.value or 0),
    }


async def _show(made: Item, title: str) -> None:
    model = await _model(made)
    command = try_command(here().person.addresses.router_public, model, made["secret"])
    why = t("Keep it now: only its digest is stored, so it cannot be shown again.")
    await show_secret(title, made["secret"], why, use=command)


async def _model(key: Item) -> str:
    """Return a model that the key may call, to try it with."""
    named = [one for one in key["models"] if "*" not in one]
    if named:
        return str(named[0])
    deployments = await names_of(here().person, "deployment")
    allowed = [name for one, name in deployments.items() if not key["deployment_ids"] or one in key["deployment_ids"]]
    return next(iter(allowed), "MODEL")


async def _open(key: Item) -> None:
    person = here().person
    records, deployments, model = await asyncio.gather(_last(key), names_of(person, "deployment"), _model(key))
    words, _ = state_of_secret(key, here().clock.now())
    with ui.dialog() as dialog, ui.card().classes("rh-dialog rh-large"):
        ui.element("h2").classes("rh-panel-title")._text = dialog.props["aria-label"] = key["name"]
        with facts():
            fact(t("Key"), f"{key['prefix']}…{key['last_four']}", is_code=True)
            fact(t("State"), t(words))
            fact(t("Last used"), records)
            fact(t("Expires"), at_time(instant(key["expires_at"])) if key["expires_at"] else t("never"))
            fact(t("Created"), at_time(instant(key["created_at"])))
            fact(t("Models"), key["models"] or t("all"))
            fact(t("Deployments"), [deployments.get(one, one) for one in key["deployment_ids"]] or t("all"))
            fact(t("Networks"), key["ip_ranges"] or t("all"))
            fact(t("Priority"), str(key["priority"]))
            fact(t("Project"), here().me.project_names.get(key["project_id"], key["project_id"]))
            if key["previous_until"] and instant(key["previous_until"]) > here().clock.now():
                fact(t("The secret before is good until"), at_time(instant(key["previous_until"])))
            for limit in key["limits"]:
                fact(
                    t("Limit {name}", name=limit["name"]), [f"{name}: {most}" for name, most in limit["bounds"].items()]
                )
        ui.label(try_command(person.addresses.router_public, model, _PLACEHOLDER)).classes("rh-log rh-pre")
        with ui.element("div").classes("rh-dialog-buttons"):
            ui.link(t("Its usage"), f"/usage/records?key_id={key['id']}").classes("rh-link")
            ui.button(t("Close"), on_click=dialog.close).props("flat no-caps")
    await until_closed(dialog)


async def _last(key: Item) -> str:
    """Say when a key was used last, to the minute: the day of it, the hour of that day, the minute of that hour."""
    person, start = here().person, here().clock.now() // 86_400 * 86_400 - USED_DAYS * 86_400
    query = {"by": "key", "key_id": key["id"]}
    try:
        for bucket in ("1d", "1h", "1m"):
            since = datetime.fromtimestamp(start, UTC).isoformat()
            found = await person.metering.get("/api/v1/usage", bucket=bucket, since=since, **query)
            _, last = last_used(found["items"]).get(key["id"], (0, ""))
            if not last:
                return t("not in {days} days", days=USED_DAYS)
            start = instant(last)
    except ConsoleError:
        return ""
    return ago(start)


async def _change(key: Item) -> None:
    person = here().person
    deployments = await names_of(person, "deployment")
    with form_dialog(t("Change {name}", name=key["name"]), button=t("Save")) as (dialog, form):
        name = field(t("Name"), key["name"])
        expires, expires_at = expiry_field()
        expires.set_options({-1: t("as it is"), **expires.options}, value=-1)  # type: ignore[dict-item]  # options are a dict here
        read = _bounds(deployments, key)

        async def send() -> Item:
            body: Item = {"name": name.value, **read()}
            if expires.value != -1:
                body["expires_at"] = expires_at()
            return await person.catalog.patch(path_of(_PATH + "/{}", key["id"]), body)

        form.send = send
    await until_closed(dialog)


async def _rotate(key: Item) -> None:
    person = here().person
    with form_dialog(t("Rotate {name}", name=key["name"]), button=t("Rotate")) as (dialog, form):
        ui.label(t("The key gets a new secret. The secret before goes on for a while, so that programs can change."))
        options = {seconds: t(words) for seconds, words in _OVERLAPS.items()}
        overlap = ui.select(options, value=3_600, label=t("The secret before ends")).props("outlined dense")

        async def send() -> Item:
            path = path_of(_PATH + "/{}", key["id"]) + ":rotate"
            return await person.catalog.post(path, {"overlap_s": overlap.value})

        form.send = send
    if made := await until_closed(dialog):
        await _show(made, t("The new secret of {name}", name=key["name"]))


async def _hand_over(key: Item) -> None:
    """Give the key to somebody else of the tenant: who uses it need change nothing."""
    person = here().person
    people = {one: name for one, name in (await names_of(person, "user")).items() if one != key["user_id"]}
    with form_dialog(t("Hand over {name}", name=key["name"]), button=t("Hand over")) as (dialog, form):
        ui.label(t("The secret stays. What it may use, and who is charged, follow the new owner."))
        owner = ui.select(people, value=None, label=t("New owner"), with_input=True).props("outlined dense")

        async def send() -> Item:
            if not owner.value:
                raise ValueError(t("Choose somebody."))
            path = path_of(_PATH + "/{}", key["id"]) + ":transfer"
            return await person.catalog.post(path, {"user_id": owner.value})

        form.send = send
    if made := await until_closed(dialog):
        done(t("{name} is {owner}'s now.", name=key["name"], owner=people.get(made["owner_id"], made["owner_id"])))


async def _revoke(key: Item) -> None:
    what = [
        t("Programs that use it are refused within seconds, for good."),
        t("Its usage stays in the records."),
    ]
    if not await confirm(t("Revoke {name}?", name=key["name"]), what, button=t("Revoke")):
        return

    async def revoke() -> None:
        await here().person.catalog.delete(path_of(_PATH + "/{}", key["id"]))

    await attempt(revoke, t("{name} is revoked.", name=key["name"]))


DOES: Final[Mapping[str, Callable[[Item], Awaitable[None]]]] = {
    "open": _open,
    "change": _change,
    "rotate": _rotate,
    "hand": _hand_over,
    "revoke": _revoke,
}
"""By the names of a row's buttons."""
