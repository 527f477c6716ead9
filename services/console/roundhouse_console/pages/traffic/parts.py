"""What the pages of traffic share."""

import asyncio
from typing import Final

from nicegui import ui

from roundhouse_console.clients.names import names_of
from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.panels import subnav

__all__ = ["fold", "select_of", "target_names", "traffic_tabs"]

_TABS: Final = (
    ("routes", "/traffic", "Routes", "routes:read"),
    ("flow", "/traffic/flow", "Flow", "usage:own"),
    ("limits", "/traffic/limits", "Limits", "limits:read"),
    ("providers", "/traffic/providers", "Providers", "providers:read"),
)


def traffic_tabs(current: str) -> None:
    """The pages of traffic as links, those the person may see."""
    may = here().me.may_anywhere
    subnav(t("Traffic"), [(name, path, t(title)) for name, path, title, needs in _TABS if may(needs)], current)


async def target_names() -> dict[str, str]:
    """Return the names of deployments and providers by id, as far as the person may list them."""
    person = here().person
    deployments, providers = await asyncio.gather(names_of(person, "deployment"), names_of(person, "provider"))
    return {**deployments, **providers}


def fold(title: str, *, is_open: bool = False) -> ui.expansion:
    """A part of a form that is folded away until somebody needs it."""
    return ui.expansion(title, value=is_open).classes("rh-expansion rh-fold")


def select_of(names: dict[str, str], chosen: list[str], label: str) -> ui.select:
    """A choice of several; what is chosen and has no name here shows by its id."""
    options = {**{one: one for one in chosen}, **names}
    made = ui.select(options, value=list(chosen), label=label, multiple=True, with_input=True)
    return made.props("outlined dense use-chips stack-label").classes("rh-wide-field")
