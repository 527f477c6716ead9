"""What the pages of usage share."""

from nicegui import ui

from roundhouse_console.clients.signed_in import SignedIn
from roundhouse_console.kit.here import here, t

__all__ = ["currency", "usage_tabs"]


def usage_tabs(current: str) -> None:
    """The pages of usage as links, those the person may see."""
    may = here().me.may_anywhere
    parts = [("totals", "/usage", t("Totals"), True), ("records", "/usage/records", t("Records"), True)]
    parts += [
        ("budgets", "/usage/budgets", t("Budgets"), may("budgets:read")),
        ("prices", "/usage/prices", t("Prices"), may("prices:read")),
    ]
    with ui.element("nav").classes("rh-subnav").props(f'aria-label="{t("Usage")}"'):
        for name, path, title, is_shown in parts:
            if is_shown:
                one = ui.link(title, path).classes("rh-subnav-item")
                if name == current:
                    one.props("aria-current=page")


async def currency(person: SignedIn) -> str:
    """Return the currency that usage is counted in; empty while there is no price."""

    async def ask() -> str:
        found: str = (await person.metering.get("/api/v1/usage", by="model", top=1))["currency"]
        return found

    return await person.cached.get("currency", ask, for_s=30.0)
