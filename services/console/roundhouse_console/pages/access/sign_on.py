"""Single sign-on: identity providers that people sign in with (OpenID Connect)."""

from collections.abc import Callable
from typing import Final

from nicegui import ui

from roundhouse_console.clients.names import names_of
from roundhouse_console.clients.rest import Item, path_of
from roundhouse_console.domain.access import group_rules, group_rules_text, parts_of
from roundhouse_console.kit.dialogs import confirm, form_dialog, until_closed
from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.panels import fact, facts, note, page_head
from roundhouse_console.kit.signals import attempt
from roundhouse_console.kit.tables import Row, action, actions, column, state, text
from roundhouse_console.pages.access.parts import Again, access_tabs, field, listed

__all__ = ["show"]

_PATH: Final = "/api/v1/oidc-providers"
_NEW_RULES: Final[Item] = {
    "scopes": ["openid", "profile", "email"],
    "groups_claim": "groups",
    "name_claim": "preferred_username",
    "group_roles": [],
    "creates_users": True,
    "needs_group": True,
    "links_by_email": False,
    "email_domains": [],
}


async def show() -> None:
    again = Again()
    by_id: dict[str, Item] = {}

    async def rows() -> list[Row]:
        found = await here().person.catalog.items(_PATH)
        by_id.update({one["id"]: one for one in found})
        return [_row(one) for one in found]

    async def act(provider_id: str, name: str) -> None:
        await {"test": _test, "change": _edit, "turn": _turn, "remove": _remove}[name](by_id[provider_id])
        await again()

    async def add() -> None:
        await _edit(None)
        await again()

    with page_head(t("Single sign-on"), t("People sign in with an identity provider (OpenID Connect).")):
        ui.button(t("Add a provider"), icon="add", on_click=add).props("unelevated no-caps")
    access_tabs("sign-on")
    columns = [
        column("name", t("Name")),
        column("state", t("State")),
        column("groups", t("Groups"), is_wide=True),
        column("actions", "", align="right", is_sortable=False),
    ]
    nothing = t("There is no identity provider. People sign in with passwords that are kept here.")
    await listed(rows, columns, label=t("Single sign-on"), again=again, nothing=nothing, on_action=act)


def _row(one: Item) -> Row:
    turn = t("Disable") if one["is_enabled"] else t("Enable")
    return {
        "id": one["id"],
        "label": one["name"],
        "name": text(one["name"], sub=one["issuer"]),
        "state": state(t("Active"), "good") if one["is_enabled"] else state(t("Disabled"), "quiet"),
        "groups": ", ".join(dict.fromkeys(rule["group"] for rule in one["rules"]["group_roles"])),
        "actions": actions(
            action("test", "network_check", t("Test")),
            action("change", "edit", t("Change")),
            action("turn", "power_settings_new", turn),
            action("remove", "delete", t("Remove"), is_destructive=True),
        ),
    }


async def _edit(provider: Item | None) -> None:
    """Add a provider, or change one: a change states it whole, but for its name and the secret that there is."""
    person = here().person
    tenants = await names_of(person, "tenant")
    now = provider or {"name": "", "issuer": "", "client_id": "", "has_secret": False, "rules": _NEW_RULES}
    title = t("Change {name}", name=now["name"]) if provider else t("Add a provider")
    with form_dialog(title, button=t("Save") if provider else t("Add"), is_large=True) as (dialog, form):
        name = field(t("Name"), now["name"], example="corporate", hint=t("On the sign-in page and in addresses."))
        name.set_enabled(provider is None)
        issuer = field(t("Issuer"), now["issuer"], example="https://login.example.org/realms/corporate")
        client_id = field(t("Client id"), now["client_id"])
        secret = ui.input(t("Client secret"), password=True).props("outlined dense autocomplete=new-password")
        secret.props["hint"] = t("Empty: the one there is.") if now["has_secret"] else t("Empty: a public client.")
        read = _rules(now["rules"], tenants)

        async def send() -> Item:
            body: Item = {"name": name.value, "issuer": issuer.value, "client_id": client_id.value, "rules": read()}
            if secret.value:
                body["client_secret"] = secret.value
            if provider is None:
                return await person.catalog.post(_PATH, body)
            path = path_of(_PATH + "/{}", provider["id"])
            return await person.catalog.put(path, {**body, "is_enabled": provider["is_enabled"]})

        form.send = send
    if made := await until_closed(dialog):
        await _test(made)


def _rules(now: Item, tenants: dict[str, str]) -> Callable[[], Item]:
    """Fields for who may come in and as whom; returns what reads them."""
    groups = ui.textarea(
        t("What groups get: group = tenant: role, role, one a line; without a tenant it is on the platform"),
        value=group_rules_text(now["group_roles"], tenants),
        placeholder="ml-team = default: deployer",
    ).props("outlined dense autogrow")
    with ui.element("div").classes("rh-fields"):
        groups_claim = field(t("Claim with the groups"), now["groups_claim"])
        name_claim = field(t("Claim with the login name"), now["name_claim"])
        scopes = field(t("Scopes"), ", ".join(now["scopes"]))
        domains = field(t("Email domains"), ", ".join(now["email_domains"]), hint=t("Empty: any."))
    creates = ui.switch(t("Somebody unknown gets an account at the first sign-in"), value=now["creates_users"])
    needs = ui.switch(t("Only members of a group above may sign in"), value=now["needs_group"])
    links = ui.switch(t("Somebody with a verified address is the user with this address"), value=now["links_by_email"])
    return lambda: {
        **now,
        "group_roles": group_rules(groups.value, tenants),
        "groups_claim": groups_claim.value,
        "name_claim": name_claim.value,
        "scopes": parts_of(scopes.value),
        "email_domains": parts_of(domains.value),
        "creates_users": creates.value,
        "needs_group": needs.value,
        "links_by_email": links.value,
    }


async def _test(provider: Item) -> None:
    """Ask the provider for its configuration and keys. Nobody's sign-in is tried."""
    path = path_of(_PATH + "/{}", provider["id"]) + ":check"
    told = await attempt(lambda: here().person.catalog.post(path))
    if told is None:
        return
    with ui.dialog() as dialog, ui.card().classes("rh-dialog"):
        ui.element("h2").classes("rh-panel-title")._text = dialog.props["aria-label"] = t(
            "Test of {name}", name=provider["name"]
        )
        if told["is_usable"]:
            note(t("The provider answers. People can sign in with it."), "good", icon="check_circle")
        else:
            note(t("Nobody can sign in with it: {why}.", why=told["error"]), "bad", icon="error_outline")
        with facts():
            fact(t("Redirect URI to enter there"), told["callback_url"], is_code=True)
            fact(t("Signing keys"), str(told["keys"]))
            fact(t("Sign-in page"), told["authorization_endpoint"], is_code=True)
        with ui.element("div").classes("rh-dialog-buttons"):
            ui.button(t("Close"), on_click=dialog.close).props("flat no-caps")
    await until_closed(dialog)


async def _turn(provider: Item) -> None:
    body = {name: provider[name] for name in ("name", "issuer", "client_id", "rules")}
    path = path_of(_PATH + "/{}", provider["id"])
    await attempt(lambda: here().person.catalog.put(path, {**body, "is_enabled": not provider["is_enabled"]}))


async def _remove(provider: Item) -> None:
    what = [
        t("Nobody signs in with it any more; who has no password here cannot come in."),
        t("Sessions go on until they end."),
    ]
    name = provider["name"]
    if not await confirm(t("Remove {name}?", name=name), what, button=t("Remove"), type_to_confirm=name):
        return

    async def gone() -> None:
        await here().person.catalog.delete(path_of(_PATH + "/{}", provider["id"]))

    await attempt(gone, t("{name} is removed.", name=name))
