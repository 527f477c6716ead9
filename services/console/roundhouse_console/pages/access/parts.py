"""What the pages of access share."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from nicegui import ui

from roundhouse_common.auth import Role
from roundhouse_console.domain.access import DAYS, expiry, quota_body, quota_text
from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.live import follow
from roundhouse_console.kit.panels import panel, subnav
from roundhouse_console.kit.tables import Row, table

__all__ = ["Again", "access_tabs", "expiry_field", "field", "listed", "picks", "quota_fields", "role_field"]

_TABS: Final = (
    ("keys", "/access", "API keys", "keys:read"),
    ("projects", "/access/projects", "Projects", "members:read"),
    ("members", "/access/members", "Members", "members:read"),
    ("roles", "/access/roles", "Roles", "members:read"),
    ("accounts", "/access/service-accounts", "Service accounts", "members:read"),
    ("tenants", "/access/tenants", "Tenants", "tenants:write"),
    ("sign-on", "/access/sign-on", "Single sign-on", "platform:admin"),
    ("audit", "/access/audit", "Audit", "audit:read"),
    ("requests", "/access/requests", "Request log", "requests:read"),
)
_EVERY_S: Final = 15.0


def access_tabs(current: str) -> None:
    """The pages of access as links, those the person may see."""
    shown = [one for one in _TABS if here().me.may_anywhere(one[3])]
    if len(shown) < 2:
        return
    subnav(t("Access"), [(name, path, t(title)) for name, path, title, _ in shown], current)


class Again:
    """What asks anew once something was changed."""

    every_s = _EVERY_S
    """How often these pages ask by themselves: what they show changes by people."""

    def __init__(self) -> None:
        self._looks: list[Callable[[], Awaitable[None]]] = []

    def add(self, look: Callable[[], Awaitable[None]]) -> None:
        self._looks.append(look)

    async def __call__(self) -> None:
        here().person.cached.clear()
        for look in self._looks:
            await look()


def field(label: str, value: str = "", *, hint: str = "", example: str = "") -> ui.input:
    """A line to type in."""
    made = ui.input(label, value=value, placeholder=example or None).props("outlined dense")
    if hint:
        made.props["hint"] = hint
    return made


def picks(label: str, options: Any, value: Any) -> ui.select:  # Any: as `ui.select` has them
    """Several of a list."""
    made = ui.select(options, value=value, label=label, multiple=True, with_input=True)
    return made.props("outlined dense use-chips").classes("rh-picks")


def role_field(value: list[str], label: str = "") -> ui.select:
    """Roles that every tenant has."""
    return picks(label or t("Roles"), {role.value: t(role.value) for role in Role}, value)


def expiry_field(*, may_never: bool = True, default: int = 0) -> tuple[ui.select, Callable[[], str | None]]:
    """When something expires; returns the field, and what reads it as a moment."""
    options = {days: t("in {days|day|days}", days=days) for days in DAYS}
    if may_never:
        options = {0: t("never"), **options}
    made = ui.select(options, value=default, label=t("Expires")).props("outlined dense")
    clock = here().clock
    return made, lambda: expiry(int(made.value), clock.now())


def quota_fields(quota: dict[str, int | None] | None = None) -> Callable[[], dict[str, int | None]]:
    """Bounds of a tenant or project; returns what reads them. Empty is no bound."""
    devices, replicas, storage = quota_text(quota or {"devices": None, "replicas": None, "storage_bytes": None})
    with ui.element("div").classes("rh-fields"):
        first = ui.number(t("Accelerators"), value=int(devices) if devices else None, min=0, precision=0)
        second = ui.number(t("Replicas"), value=int(replicas) if replicas else None, min=0, precision=0)
        third = ui.input(t("Storage for uploads"), value=storage, placeholder="500 GiB")
        for one in (first, second, third):
            one.props("outlined dense")
    ui.label(t("An empty field is no bound.")).classes("rh-dim")
    return lambda: quota_body(first.value, second.value, third.value)


async def listed(
    ask: Callable[[], Awaitable[list[Row]]],
    columns: Sequence[Row],
    *,
    label: str,
    again: Again,
    nothing: str,
    on_action: Callable[[str, str], object] | None = None,
    order: str = "name",
    is_descending: bool = False,
    title: str = "",
    button: tuple[str, str, Callable[[], Awaitable[None]]] | None = None,
) -> None:
    """A panel with a table that follows what `ask` returns, with a title where it is a part of a page.

    `button` is a label, an icon, and what it does.
    """

    def build() -> Callable[[Sequence[Row]], None]:
        with panel(title):
            put = table(
                columns,
                label=label,
                on_action=on_action,
                nothing=nothing,
                order=order,
                is_descending=is_descending,
                search=not title,
            )
            if button is not None:
                with ui.element("div").classes("rh-row"):
                    ui.button(button[0], icon=button[1], on_click=button[2]).props("outline no-caps")
        return put

    again.add(await follow(ask, build, every_s=again.every_s))
