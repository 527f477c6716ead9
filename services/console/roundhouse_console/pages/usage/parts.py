"""What the pages of usage share."""

from roundhouse_console.clients.signed_in import SignedIn
from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.panels import subnav

__all__ = ["currency", "usage_tabs"]


def usage_tabs(current: str) -> None:
    """The pages of usage as links, those the person may see."""
    may = here().me.may_anywhere
    parts = [("totals", "/usage", t("Totals"), True), ("records", "/usage/records", t("Records"), True)]
    parts += [
        ("budgets", "/usage/budgets", t("Budgets"), may("budgets:read")),
        ("prices", "/usage/prices", t("Prices"), may("prices:read")),
    ]
    subnav(t("Usage"), [(name, path, title) for name, path, title, is_shown in parts if is_shown], current)


async def currency(person: SignedIn) -> str:
    """Return the currency that usage is counted in; empty while there is no price."""

    async def ask() -> str:
        found: str = (await person.metering.get("/api/v1/usage", by="model", top=1))["currency"]
        return found

    return await person.cached.get("currency", ask, for_s=30.0)
