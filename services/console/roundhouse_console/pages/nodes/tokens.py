"""Join tokens: which hosts may still come in, and taking that back."""

import asyncio
from collections.abc import Awaitable, Callable

from nicegui import ui

from roundhouse_console.clients.rest import Item, path_of
from roundhouse_console.domain.installed import token_state
from roundhouse_console.domain.labels import labels_text
from roundhouse_console.domain.times import instant
from roundhouse_console.kit.dialogs import confirm
from roundhouse_console.kit.here import at_time, here, t
from roundhouse_console.kit.live import follow
from roundhouse_console.kit.panels import page_head, panel
from roundhouse_console.kit.signals import attempt
from roundhouse_console.kit.tables import Row, action, actions, column, state, table, text
from roundhouse_console.pages.nodes.joining import join
from roundhouse_console.pages.nodes.parts import node_names, node_tabs

__all__ = ["show"]


async def show() -> None:
    looks: list[Callable[[], Awaitable[None]]] = []

    async def look() -> None:
        for one in looks:
            await one()

    async def add() -> None:
        await join()
        await look()

    with page_head(t("Join tokens"), t("Each lets one host in, once. The token itself is shown only when it is made.")):
        if here().may("nodes:write"):
            ui.button(t("Join a node"), icon="add", on_click=add).props("unelevated no-caps")
    node_tabs("tokens")
    with panel():
        looks.append(await follow(_ask, lambda: _table(look)))


async def _ask() -> tuple[list[Item], dict[str, str]]:
    return await asyncio.gather(here().person.scheduler.items("/api/v1/join-tokens"), node_names())


def _table(look: Callable[[], Awaitable[None]]) -> Callable[[tuple[list[Item], dict[str, str]]], None]:
    async def act(row: str, _name: str) -> None:
        if await _revoke(row):
            await look()

    put = table(
        [
            column("token", t("Token")),
            column("state", t("State")),
            column("node", t("Node")),
            column("place", t("Region and labels"), is_wide=True),
            column("expires", t("Expires"), is_wide=True),
            column("made", t("Made"), is_wide=True),
            column("actions", "", align="right", is_sortable=False),
        ],
        label=t("Join tokens"),
        on_action=act,
        order="made",
        is_descending=True,
        nothing=t("No token was made in the last days. “Join a node” makes one, with the command to run on the host."),
    )

    def show_all(found: tuple[list[Item], dict[str, str]]) -> None:
        tokens, names = found
        put([_row(one, names) for one in tokens])

    return show_all


def _row(one: Item, names: dict[str, str]) -> Row:
    words, tone = token_state(one["state"])
    node = one["used_node_id"]
    revoke = action("revoke", "block", t("Revoke"), is_destructive=True)
    place = " · ".join(
        part for part in ("/".join(filter(None, (one["region"], one["zone"]))), labels_text(one["labels"])) if part
    )
    return {
        "id": one["id"],
        "label": one["id"][-6:],
        "token": f"…{one['id'][-6:]}",
        "state": state(t(words), tone),
        "node": {"kind": "link", "text": names[node], "href": f"/nodes/{node}", "sort": node}
        if node in names
        else node,
        "place": place,
        "expires": text(at_time(instant(one["expires_at"])), sort=one["expires_at"]),
        "made": text(at_time(instant(one["created_at"])), sort=one["created_at"], sub=one["created_by"]),
        "actions": actions(*([revoke] if one["state"] == "open" and here().may("nodes:write") else [])),
    }


async def _revoke(token_id: str) -> bool:
    what = [t("No host can join with it any more. A node that has joined stays.")]
    if not await confirm(t("Revoke the token …{end}?", end=token_id[-6:]), what, button=t("Revoke")):
        return False

    async def revoke() -> bool:
        await here().person.scheduler.delete(path_of("/api/v1/join-tokens/{}", token_id))
        return True

    return bool(await attempt(revoke, t("The token is revoked.")))
