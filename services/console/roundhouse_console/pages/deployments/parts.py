"""What the pages of deployments share."""

from typing import Final

from nicegui import ui

from roundhouse_console.kit.here import here, t

__all__ = ["deployment_tabs"]

_TABS: Final = (
    ("deployments", "/deployments", "Deployments"),
    ("templates", "/deployments/templates", "Templates"),
    ("switches", "/deployments/switches", "Switches"),
)


def deployment_tabs(current: str) -> None:
    """The pages of deployments as links; of standard users only their deployments."""
    if not here().me.may_anywhere("deployments:write"):
        return
    with ui.element("nav").classes("rh-subnav").props(f'aria-label="{t("Deployments")}"'):
        for name, path, title in _TABS:
            one = ui.link(t(title), path).classes("rh-subnav-item")
            if name == current:
                one.props("aria-current=page")
