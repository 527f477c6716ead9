"""`roundhouse admin retention` and `rebuild-usage`: what of usage is kept, and its sums made anew."""

from roundhouse_cli.commands.options import Output, Url, connect
from roundhouse_cli.output import Column, OutputFormat, note, show_items
from roundhouse_cli.rest import Item
from roundhouse_cli.units import show_bytes

__all__ = ["rebuild_usage", "retention"]

_MONTHS = (
    Column("MONTH", lambda month: month["month"]),
    Column("REQUESTS", lambda month: month["requests"]),
    Column("SIZE", lambda month: show_bytes(month["size_bytes"])),
    Column("RECORDS", lambda month: month["records"], is_wrapped=True),
)


def retention(url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """Show how long usage records are kept, from when on there are some, and how big each month is."""
    with connect(url) as services:
        found = services.metering.get("/api/v1/retention")
    if output is not OutputFormat.TABLE:
        show_items([found], _MONTHS, output, empty="")
        return
    gone = [{**month, "size_bytes": None, "records": f"removed {month['dropped_at']}"} for month in found["gone"]]
    kept = [{**month, "records": _state(month)} for month in found["months"]]
    show_items([*gone, *kept], _MONTHS, output, empty="There are no usage records.")
    months = found["keep_record_months"]
    note(f"Records are kept for {months} months beside this one." if months else "Records are kept for ever.")
    note("On disk: " + ", ".join(f"{name} {show_bytes(size)}" for name, size in found["bytes"].items()))


def rebuild_usage(url: Url = "") -> None:
    """Make the sums of usage anew from the ledger. Safe at any time; answers lack for a while what is not counted."""
    with connect(url) as services:
        services.metering.post("/api/v1/usage:rebuild")
    note("Sums are made anew; `is_complete` of GET /api/v1/usage says when all is counted.")


def _state(month: Item) -> str:
    if not month["is_due"]:
        return "kept"
    return f"due, kept because {month['held_because']}" if month["held_because"] else "due"
