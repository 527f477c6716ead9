"""`roundhouse budgets`: what may be spent, and how it stands."""

from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer

from roundhouse_cli.commands.options import Output, Url, connect
from roundhouse_cli.errors import UsageFault
from roundhouse_cli.output import Column, OutputFormat, note, show_item, show_items
from roundhouse_cli.resolve import pick, short_id
from roundhouse_cli.rest import Item, Services

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Budgets: list, show, create, change, remove, notices.")

_PATH = "/api/v1/budgets"
_NANO = 1_000_000_000
_COLUMNS = (
    Column("ID", lambda budget: short_id(budget["id"])),
    Column("NAME", lambda budget: budget["name"]),
    Column("OF", lambda budget: f"{budget['scope']} {budget['scope_id']}"),
    Column("AMOUNT", lambda budget: _shown(budget["amount"], budget)),
    Column("PER", lambda budget: budget["period"]),
    Column("SPENT", lambda budget: _shown(budget["spent"], budget)),
    Column("LEFT", lambda budget: _shown(budget["left"], budget)),
    Column("KIND", lambda budget: "hard" if budget["is_hard"] else "soft"),
)
_NOTICES = (
    Column("THRESHOLD", lambda notice: f"{notice['threshold']} %"),
    Column("TO", lambda notice: notice["recipient"]),
    Column("NOTED", lambda notice: notice["noticed_at"]),
    Column("SENT", lambda notice: notice["sent_at"] or ("given up" if notice["is_given_up"] else "not yet")),
    Column("ATTEMPTS", lambda notice: str(notice["attempts"])),
    Column("ERROR", lambda notice: notice["last_error"], is_wrapped=True),
)

Budget = Annotated[str, typer.Argument(metavar="BUDGET", help="A name, an id, or a part of an id.")]
_Amount = Annotated[str, typer.Option(help="Units of the currency, e.g. 250 or 12.50; with --tokens a number of them.")]
_Thresholds = Annotated[list[int] | None, typer.Option("--at", help="Percent to tell somebody at. May be repeated.")]
_Emails = Annotated[list[str] | None, typer.Option("--email", help="Whom to tell. May be repeated.")]
_Webhook = Annotated[str, typer.Option(help="What to tell by a signed POST.")]


@app.command("ls")
def list_budgets(url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """List the budgets, with what is spent of them in the period that is now."""
    with connect(url) as services:
        found = services.metering.items(_PATH)
        show_items(found, _COLUMNS, output, empty="There are no budgets; `roundhouse budgets create` adds one.")


@app.command("show")
def show(budget: Budget, url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """Show everything about a budget: what is spent, what is left, and where it leads."""
    with connect(url) as services:
        show_item(_find(services, budget), output)


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    amount: _Amount,
    scope: Annotated[str, typer.Option("--of", metavar="KIND:ID", help="tenant:ID, project:ID, user:ID or key:ID.")],
    period: Annotated[str, typer.Option("--per", help="day, week, month or total.")] = "month",
    tokens: Annotated[bool, typer.Option("--tokens", help="The amount is one of tokens.")] = False,
    hard: Annotated[bool, typer.Option("--hard", help="Refuse what goes beyond it.")] = False,
    platform: Annotated[bool, typer.Option("--platform", help="Only the platform's people may change it.")] = False,
    at: _Thresholds = None,
    email: _Emails = None,
    webhook: _Webhook = "",
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Create a budget. What was spent in the period that is now counts already."""
    kind, _, scope_id = scope.partition(":")
    if kind not in ("tenant", "project", "user", "key") or not scope_id:
        raise UsageFault(f"--of {scope!r} names nobody; write e.g. tenant:ten_default or key:key_0193.")
    body: Item = {
        "name": name,
        "scope": kind,
        "scope_id": scope_id,
        "unit": "tokens" if tokens else "money",
        "period": period,
        "amount": _number(amount, is_tokens=tokens),
        "is_hard": hard,
        "is_platform": platform,
        "webhook_url": webhook,
        "emails": email or [],
        **({"thresholds": at} if at else {}),
    }
    with connect(url) as services:
        _tell(services.metering.post(_PATH, body), output)


@app.command("set")
def change(
    budget: Budget,
    amount: _Amount = "",
    hard: Annotated[bool | None, typer.Option("--hard/--soft", help="Whether it refuses what goes beyond it.")] = None,
    at: _Thresholds = None,
    email: _Emails = None,
    webhook: _Webhook = "",
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Change a budget; what is not stated stays, and so does what was spent."""
    with connect(url) as services:
        found = _find(services, budget)
        body: Item = {
            **({"amount": _number(amount, is_tokens=found["unit"] == "tokens")} if amount else {}),
            **({} if hard is None else {"is_hard": hard}),
            **({"thresholds": at} if at else {}),
            **({"emails": email} if email else {}),
            **({"webhook_url": webhook} if webhook else {}),
        }
        if not body:
            raise UsageFault("State what to change; `roundhouse budgets set --help` lists the settings.")
        _tell(services.metering.patch(f"{_PATH}/{found['id']}", body), output)


@app.command("rm")
def remove(budget: Budget, url: Url = "") -> None:
    """Remove a budget."""
    with connect(url) as services:
        found = _find(services, budget)
        services.metering.delete(f"{_PATH}/{found['id']}")
        note(f"{found['name']} is removed.")


@app.command("notices")
def notices(budget: Budget, url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """List who was told of which threshold."""
    with connect(url) as services:
        found = services.metering.items(f"{_PATH}/{_find(services, budget)['id']}/notices")
        show_items(found, _NOTICES, output, empty="No threshold was reached yet.")


def _find(services: Services, wanted: str) -> Item:
    return pick(services.metering.items(_PATH), wanted, "budget")


def _tell(budget: Item, output: OutputFormat) -> None:
    if output is OutputFormat.JSON:
        show_item(budget, output)
    else:
        kind = "hard" if budget["is_hard"] else "soft"
        note(f"{budget['name']}: {_shown(budget['amount'], budget)} per {budget['period']}, {kind}.")


def _number(text: str, *, is_tokens: bool) -> int:
    try:
        found = Decimal(text) * (1 if is_tokens else _NANO)
        if found.is_finite() and found >= 0 and found == found.to_integral_value():
            return int(found)
    except InvalidOperation:
        pass
    raise UsageFault(f"--amount {text!r} is no amount; write e.g. 250 or 12.50.")


def _shown(amount: int, budget: Item) -> str:
    if budget["unit"] == "tokens":
        return f"{amount} tokens"
    return f"{Decimal(amount) / _NANO:.2f}"
