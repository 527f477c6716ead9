"""One's own account: who one is here, password, sign-ins, tokens, and how things are shown."""

import json
from functools import partial
from typing import Final

from nicegui import ui

from roundhouse_console.clients.rest import Item, path_of
from roundhouse_console.domain.access import browser_of
from roundhouse_console.domain.times import instant, zones
from roundhouse_console.domain.words import LANGUAGES
from roundhouse_console.kit.dialogs import confirm
from roundhouse_console.kit.here import ago, at_time, here, t
from roundhouse_console.kit.panels import fact, facts, page_head, panel
from roundhouse_console.kit.signals import attempt
from roundhouse_console.kit.tables import Row, action, actions, column, state, text
from roundhouse_console.pages.access.parts import Again, listed
from roundhouse_console.pages.access.tokens import tokens_panel

__all__ = ["show"]

_SESSIONS: Final = "/api/v1/sessions"
_THEMES: Final = {"light": "Light", "dark": "Dark", "auto": "As the system"}


async def show() -> None:
    again = Again()
    me = here().me
    with page_head(t("Your account"), " · ".join(one for one in (me.display_name, me.email) if one)):
        pass
    with ui.element("div").classes("rh-grid"):
        with ui.element("div").classes("rh-live"):
            with panel(t("You in {tenant}", tenant=me.tenant_name)), facts():
                fact(t("Login name"), me.name)
                fact(t("Roles"), [t(one) for one in me.roles])
                if me.platform_roles:
                    fact(t("Roles on the platform"), [t(one) for one in me.platform_roles])
                fact(t("Projects"), list(me.project_names.values()))
                fact(t("Tenants"), [one.name for one in me.tenants])
            with panel(t("Preferences")):
                _preferences()
        with panel(t("Password")):
            _password()
    await _sessions(again)
    await tokens_panel(again, may_write=me.may_anywhere("self:write"))


def _password() -> None:
    """A plain form, so that no password passes through the page: the console signs the person in anew."""
    ui.label(t("Choosing a new one signs you out everywhere else.")).classes("rh-dim")
    with ui.element("form").props('method=post action="/password"').classes("rh-form"):
        ui.element("input").props("type=hidden name=onward value=/account")
        hidden = ui.element("input").props("type=hidden name=name autocomplete=username")
        hidden.props["value"] = here().me.name
        _secret("password", t("Your password now"), "current-password")
        _secret("new_password", t("New password"), "new-password", least=12)
        _secret("repeated", t("New password, again"), "new-password", least=12)
        with ui.element("div").classes("rh-row"):
            ui.element("button").props("type=submit").classes("rh-button")._text = t("Set password")


def _secret(name: str, title: str, kind: str, *, least: int = 1) -> None:
    with ui.element("label").classes("rh-plain-field"):
        ui.element("span")._text = title
        field = ui.element("input").props("type=password required")
        field.props.update({"name": name, "autocomplete": kind, "minlength": least})


def _preferences() -> None:
    now = here().preferences
    with ui.element("div").classes("rh-column"):
        ui.label(t("Theme")).classes("rh-dim")
        with ui.element("div").classes("rh-row"):
            for theme, title in _THEMES.items():
                _choice(t(title), f"() => roundhousePrefer('theme', '{theme}', true)", is_chosen=now.theme == theme)
        ui.label(t("Language")).classes("rh-dim")
        with ui.element("div").classes("rh-row"):
            for code, name in LANGUAGES.items():
                script = f"() => roundhousePrefer('language', '{code}', true)"
                _choice(name, script, is_chosen=now.language == code)
        _zone()


def _zone() -> None:
    now = here().preferences
    own = t("As the browser") if now.is_zone_chosen else t("As the browser: {zone}", zone=now.tz.key)
    options = {"": own, **{name: f"{name} ({offset})" for name, offset in zones(here().clock.now())}}
    value = now.tz.key if now.is_zone_chosen else ""
    if value not in options:
        options[value] = value
    pick = ui.select(options, value=value, label=t("Time zone"), with_input=True).props("outlined dense")

    def choose() -> None:
        if pick.value in options:  # a search that found nothing leaves nothing chosen
            ui.run_javascript(f"roundhousePrefer('zone_chosen', {json.dumps(pick.value)}, true)")

    pick.classes("rh-field").on_value_change(choose)


def _choice(title: str, script: str, *, is_chosen: bool) -> None:
    made = ui.button(title).props("no-caps " + ("unelevated" if is_chosen else "outline"))
    made.props["aria-pressed"] = "true" if is_chosen else "false"
    made.on("click", js_handler=script)


async def _sessions(again: Again) -> None:
    shown: list[Item] = []

    async def rows() -> list[Row]:
        shown[:] = await here().person.catalog.items(_SESSIONS)
        return [_row(one) for one in shown]

    async def act(session_id: str, _name: str) -> None:
        if await attempt(lambda: _end(session_id), t("Signed out there.")):
            await again()

    async def end_others() -> None:
        others = [one["id"] for one in shown if not one["is_current"]]
        what = [
            t(
                "{count|other browser or program is|other browsers and programs are} signed out at once.",
                count=len(others),
            )
        ]
        if others and await confirm(t("Sign out everywhere else?"), what, button=t("Sign out everywhere else")):
            for one in others:
                await attempt(partial(_end, one))
            await again()

    columns = [
        column("client", t("Browser or program")),
        column("method", t("Signed in by"), is_wide=True),
        column("used", t("Last used")),
        column("since", t("Since"), is_wide=True),
        column("actions", "", align="right", is_sortable=False),
    ]
    title = t("Where you are signed in")
    await listed(
        rows, columns, label=title, title=title, again=again, nothing="", on_action=act, order="used",
        is_descending=True, button=(t("Sign out everywhere else"), "logout", end_others),
    )  # fmt: skip


def _row(one: Item) -> Row:
    used, since = instant(one["last_used_at"]), instant(one["created_at"])
    row: Row = {
        "id": one["id"],
        "label": one["client_address"],
        "client": text(browser_of(one["user_agent"]), sub=one["client_address"], why=one["user_agent"]),
        "method": t(one["method"]),
        "used": text(ago(used), sort=used, why=at_time(used)),
        "since": text(ago(since), sort=since, why=at_time(since)),
    }
    if one["is_current"]:
        row["used"] = state(t("this one"), "good")
    else:
        row["actions"] = actions(action("end", "logout", t("Sign out"), is_destructive=True))
    return row


async def _end(session_id: str) -> bool:
    await here().person.catalog.delete(path_of(_SESSIONS + "/{}", session_id))
    return True
