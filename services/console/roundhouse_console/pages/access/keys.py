"""API keys: everybody's own, and the tenant's for who may."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from nicegui import ui

from roundhouse_console.clients.names import names_of
from roundhouse_console.clients.rest import Item
from roundhouse_console.domain.access import key_scope, last_used, state_of_secret
from roundhouse_console.domain.errors import ConsoleError
from roundhouse_console.domain.times import day_start, instant
from roundhouse_console.kit.here import ago, at_time, here, t
from roundhouse_console.kit.live import follow
from roundhouse_console.kit.panels import empty, page_head, panel
from roundhouse_console.kit.tables import Row, action, actions, column, state, table, text
from roundhouse_console.pages.access import key_dialogs
from roundhouse_console.pages.access.parts import Again, access_tabs

__all__ = ["show"]

_USAGE_FOR_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class _Found:
    keys: list[Item]
    owners: dict[str, str]
    deployments: dict[str, str]
    used: dict[str, tuple[int, str]]


async def show() -> None:
    again = Again()
    me = here().me
    is_everybodys = me.may("keys:admin")
    subtitle = t("All keys of {tenant}.", tenant=me.tenant_name) if is_everybodys else t("Your keys.")
    with page_head(t("API keys"), subtitle):
        if me.may_anywhere("keys:write"):

            async def create() -> None:
                await key_dialogs.create()
                await again()

            ui.button(t("Create a key"), icon="add", on_click=create).props("unelevated no-caps")
    access_tabs("keys")
    again.add(await follow(_ask, lambda: _build(again), every_s=again.every_s))


async def _ask() -> _Found:
    person = here().person
    keys, owners, deployments, used = await asyncio.gather(
        person.catalog.items("/api/v1/api-keys"), names_of(person, "user"), names_of(person, "deployment"), _used()
    )
    return _Found(keys, owners, deployments, used)


async def _used() -> dict[str, tuple[int, str]]:
    """Return what each key was used for; nothing where the metering is away or not theirs: the keys show all the
    same."""
    person = here().person
    tz = here().preferences.tz
    since = day_start(here().clock.now() - key_dialogs.USED_DAYS * 86_400, tz).isoformat()

    async def ask() -> dict[str, tuple[int, str]]:
        used = await person.metering.get("/api/v1/usage", by="key", bucket="1d", since=since, time_zone=tz.key)
        return last_used(used["items"])

    try:
        return await person.cached.get(f"use of keys, {tz.key}", ask, for_s=_USAGE_FOR_S)
    except ConsoleError:
        return {}


def _build(again: Again) -> Callable[[_Found], None]:
    by_id: dict[str, Item] = {}

    async def act(key_id: str, name: str) -> None:
        await key_dialogs.DOES[name](by_id[key_id])
        await again()

    with panel():
        nothing = ui.element("div")
        with nothing:
            empty(t("There are no API keys yet. Create one to call models from programs."), icon="key")
        holder = ui.element("div")
        with holder:
            put = table(_columns(), label=t("API keys"), order="created", is_descending=True, on_action=act)

    def show_all(found: _Found) -> None:
        by_id.update({one["id"]: one for one in found.keys})
        nothing.set_visibility(not found.keys)
        holder.set_visibility(bool(found.keys))
        put([_row(one, found) for one in found.keys])

    return show_all


def _columns() -> list[Row]:
    return [
        column("name", t("Name")),
        column("state", t("State")),
        *([column("owner", t("Owner"), is_wide=True)] if here().me.may("keys:admin") else []),
        column("scope", t("May use"), is_wide=True, wraps=True),
        column("requests", t("Requests, 30 days"), align="right", is_wide=True),
        column("used", t("Last used"), is_wide=True),
        column("expires", t("Expires"), is_wide=True),
        column("created", t("Created"), is_wide=True),
        column("actions", "", align="right", is_sortable=False),
    ]


def _row(key: Item, found: _Found) -> Row:
    words, tone = state_of_secret(key, here().clock.now())
    requests, last = found.used.get(key["id"], (0, ""))
    created = instant(key["created_at"])
    return {
        "id": key["id"],
        "label": key["name"],
        "name": text(key["name"], sub=f"{key['prefix']}…{key['last_four']}"),
        "state": state(t(words), tone),
        "owner": text(found.owners.get(key["user_id"], f"…{key['user_id'][-6:]}"), why=key["user_id"]),
        "scope": text(key_scope(key, found.deployments) or t("everything")),
        "requests": requests,
        "used": text(_day(last) if last else t("never"), sort=last),
        "expires": text(at_time(instant(key["expires_at"])), sort=key["expires_at"]) if key["expires_at"] else "",
        "created": text(ago(created), sort=created, why=at_time(created)),
        "actions": actions(*_buttons(key, words)),
    }


def _day(start: str) -> str:
    """Return the day of a bucket: today's is named so."""
    tz = here().preferences.tz
    day = day_start(instant(start), tz)
    return t("today") if day == day_start(here().clock.now(), tz) else day.date().isoformat()


def _buttons(key: Item, words: str) -> list[dict[str, Any]]:
    shown = [action("open", "search", t("Details"))]
    me = here().me
    if words != "Revoked" and (me.may("keys:admin") or (me.may_anywhere("keys:write") and key["user_id"] == me.id)):
        shown += [
            action("change", "edit", t("Change")),
            action("rotate", "autorenew", t("Rotate")),
            *([action("hand", "move_up", t("Hand over"))] if me.may("keys:admin") else []),
            action("revoke", "block", t("Revoke"), is_destructive=True),
        ]
    return shown
