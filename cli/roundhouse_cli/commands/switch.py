"""`roundhouse switch` and `switches`: make a deployment ready, with idle ones making room where memory is short."""

import time
from typing import Annotated

import typer

from roundhouse_cli.commands.deployments import Deployment, find_deployment
from roundhouse_cli.commands.options import CLOCK, Output, Url, connect
from roundhouse_cli.errors import Failure
from roundhouse_cli.output import Column, OutputFormat, note, show_item, show_items
from roundhouse_cli.resolve import short_id
from roundhouse_cli.rest import Item, Services
from roundhouse_cli.steps import Steps

__all__ = ["switch", "switches"]

_POLL_S = 0.25
_ENDS = frozenset({"ready", "failed", "cancelled"})
_COLUMNS = (
    Column("SWITCH", lambda found: short_id(found["id"])),
    Column("TO", lambda found: found["deployment"]),
    Column("STATE", lambda found: "being cancelled" if found.get("is_cancelling") else found["state"]),
    Column("MADE ROOM", lambda found: ", ".join(f"{one['name']} ({one['state']})" for one in found["victims"])),
    Column("BEGAN", lambda found: found["began_at"]),
    Column("ENDED", lambda found: found["ended_at"]),
    Column("BY", lambda found: found["actor"]),
    Column("DETAIL", lambda found: found["detail"], is_wrapped=True),
)


def switch(
    deployment: Deployment,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Ask for it and return.")] = False,
    off: Annotated[bool, typer.Option("--cancel", help="Call off the one that is under way.")] = False,
    within_s: Annotated[float, typer.Option("--timeout-s", min=0, help="How long to watch at most.")] = 1800.0,
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Make a deployment ready; idle ones that are evictable make room, the longest unused first.

    Ctrl-C asks whether to call it off or to let it go on; `roundhouse switches` shows how far it is.
    """
    with connect(url) as services:
        found = find_deployment(services, deployment)
        if off:
            _call_off(services, found, _under_way(services, found))
            return
        begun = services.scheduler.post("/api/v1/switches", {"deployment_id": found["id"]})
        ended = begun if detach else _watch(services, found, begun, within_s)
        if output is OutputFormat.JSON:
            show_item(ended, output)
        elif ended["state"] == "ready" or detach:
            note(f"{found['name']}: {ended['state']}{_detail(ended)}{_evicted(ended)}")
        if ended["state"] in {"failed", "cancelled"}:
            raise Failure(f"The switch to {found['name']} {_ended(ended['state'])}{_detail(ended)}")


def switches(
    deployment: Annotated[str, typer.Argument(metavar="[DEPLOYMENT]", help="Only those to this one.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="How many of the latest.")] = 20,
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """List the switches, the latest first: what for, how far, and who made room."""
    with connect(url) as services:
        wanted = find_deployment(services, deployment)["id"] if deployment else None
        found = services.scheduler.items("/api/v1/switches", deployment_id=wanted)[:limit]
        if output is OutputFormat.TABLE and found:
            names = {one["id"]: one["name"] for one in services.catalog.items("/api/v1/deployments")}
            found = [{**one, "deployment": names.get(one["deployment_id"], one["deployment_id"])} for one in found]
        show_items(found, _COLUMNS, output, empty="There were no switches.")


def _under_way(services: Services, deployment: Item) -> Item:
    """Return the open switch to a deployment. Raises Failure when there is none."""
    for found in services.scheduler.items("/api/v1/switches", deployment_id=deployment["id"]):
        if found["state"] not in _ENDS:
            return found
    raise Failure(f"No switch to {deployment['name']} is under way.")


def _watch(services: Services, deployment: Item, switch: Item, within_s: float) -> Item:
    """Return the switch when it has ended, was called off, or is left to itself."""
    deadline = CLOCK.monotonic() + within_s
    try:
        with Steps().step(f"Switching to {deployment['name']}") as step:
            while switch["state"] not in _ENDS:
                if CLOCK.monotonic() > deadline:
                    raise Failure(f"The switch to {deployment['name']} still goes on after {within_s:.0f} s.")
                step.note(f"{switch['state']}{_detail(switch)}")
                time.sleep(_POLL_S)
                switch = services.scheduler.get(f"/api/v1/switches/{switch['id']}")
    except KeyboardInterrupt:
        return _interrupted(services, deployment, switch)
    return switch


def _interrupted(services: Services, deployment: Item, switch: Item) -> Item:
    if not typer.confirm(f"Call the switch to {deployment['name']} off?", default=False, err=True):
        note("It goes on; `roundhouse switches` shows how far it is.")
        return switch
    return _call_off(services, deployment, switch)


def _call_off(services: Services, deployment: Item, switch: Item) -> Item:
    cancelled = services.scheduler.post(f"/api/v1/switches/{switch['id']}:cancel")
    note(f"The switch to {deployment['name']} is called off: what has not happened yet does not happen.")
    return cancelled


def _detail(switch: Item) -> str:
    return f": {switch['detail']}" if switch.get("detail") else ""


def _evicted(switch: Item) -> str:
    names = [victim["name"] for victim in switch.get("victims") or []]
    return f" (made room: {', '.join(names)})" if names else ""


def _ended(state: str) -> str:
    return "failed" if state == "failed" else "was cancelled"
