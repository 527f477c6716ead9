"""What the pages of deployments share."""

from typing import Final

from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.panels import subnav

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
    subnav(t("Deployments"), [(name, path, t(title)) for name, path, title in _TABS], current)
