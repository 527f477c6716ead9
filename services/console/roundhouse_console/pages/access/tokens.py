"""Tokens that programs sign in with: one's own, and those of service accounts."""

from typing import Final

from nicegui import ui

from roundhouse_console.clients.rest import Item, path_of
from roundhouse_console.domain.access import state_of_secret
from roundhouse_console.domain.times import instant
from roundhouse_console.kit.dialogs import confirm, form_dialog, show_secret, until_closed
from roundhouse_console.kit.here import ago, at_time, here, t
from roundhouse_console.kit.signals import attempt
from roundhouse_console.kit.tables import Row, action, actions, column, state, text
from roundhouse_console.pages.access.parts import Again, expiry_field, field, listed

__all__ = ["tokens_panel"]

_PATH: Final = "/api/v1/tokens"


async def tokens_panel(again: Again, account_id: str = "", *, may_write: bool) -> None:
    """List tokens with a way to make and revoke them; `account_id` is a service account, empty: one's own."""
    by_id: dict[str, Item] = {}

    async def rows() -> list[Row]:
        found = await here().person.catalog.items(_PATH, user_id=account_id)
        by_id.update({one["id"]: one for one in found})
        return [_row(one, may_write=may_write) for one in found]

    async def act(token_id: str, _name: str) -> None:
        await _revoke(by_id[token_id])
        await again()

    columns = [
        column("name", t("Name")),
        column("state", t("State")),
        column("used", t("Last used"), is_wide=True),
        column("expires", t("Expires"), is_wide=True),
        column("created", t("Created"), is_wide=True),
        column("actions", "", align="right", is_sortable=False),
    ]
    title = t("Tokens") if account_id else t("Personal tokens")
    nothing = t("There are no tokens. Programs sign in with one, e.g. the command line as ROUNDHOUSE_TOKEN.")

    async def create() -> None:
        await _create(account_id)
        await again()

    await listed(
        rows, columns, label=title, title=title, again=again, nothing=nothing, on_action=act, order="created",
        is_descending=True, button=(t("Create a token"), "add", create) if may_write else None,
    )  # fmt: skip


def _row(token: Item, *, may_write: bool) -> Row:
    words, tone = state_of_secret(token, here().clock.now())
    created = instant(token["created_at"])
    row: Row = {
        "id": token["id"],
        "label": token["name"],
        "name": text(token["name"], sub=f"{token['prefix']}…{token['last_four']}"),
        "state": state(t(words), tone),
        "used": text(ago(instant(token["last_used_at"])), sort=token["last_used_at"]) if token["last_used_at"] else "",
        "expires": text(at_time(instant(token["expires_at"])), sort=token["expires_at"]),
        "created": text(ago(created), sort=created, why=at_time(created)),
    }
    if may_write and words == "Active":
        row["actions"] = actions(action("revoke", "block", t("Revoke"), is_destructive=True))
    return row


async def _create(account_id: str) -> None:
    person = here().person
    with form_dialog(t("Create a token"), button=t("Create")) as (dialog, form):
        ui.label(t("Whoever has the token may do what its owner may. Keep it like a password."))
        name = field(t("Name"), hint=t("Where it is used, e.g. laptop.")).props("autofocus")
        _, expires_at = expiry_field(may_never=False, default=90)

        async def send() -> Item:
            body: Item = {"name": name.value, "expires_at": expires_at()}
            if account_id:
                body["user_id"] = account_id
            return await person.catalog.post(_PATH, body)

        form.send = send
    if made := await until_closed(dialog):
        why = t("Keep it now: only its digest is stored, so it cannot be shown again.")
        await show_secret(t("Your new token"), made["secret"], why)


async def _revoke(token: Item) -> None:
    what = [t("Programs that use it are signed out at once, for good.")]
    if not await confirm(t("Revoke {name}?", name=token["name"]), what, button=t("Revoke")):
        return

    async def revoke() -> None:
        await here().person.catalog.delete(path_of(_PATH + "/{}", token["id"]))

    await attempt(revoke, t("{name} is revoked.", name=token["name"]))
