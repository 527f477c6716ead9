"""`roundhouse switch`: make a deployment ready, with idle ones making room where memory is short."""

import time
from typing import Annotated

import typer

from roundhouse_cli.commands.deployments import Deployment, find_deployment
from roundhouse_cli.commands.options import CLOCK, Output, Url, connect
from roundhouse_cli.errors import Failure
from roundhouse_cli.output import OutputFormat, note, show_item
from roundhouse_cli.rest import Item, Services
from roundhouse_cli.steps import Steps

__all__ = ["switch"]

_POLL_S = 0.25
_ENDS = frozenset({"ready", "failed", "cancelled"})


def switch(
    deployment: Deployment,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Ask for it and return.")] = False,
    within_s: Annotated[float, typer.Option("--timeout-s", min=0, help="How long to watch at most.")] = 1800.0,
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Make a deployment ready; idle ones that are evictable make room, the longest unused first.

    Ctrl-C asks whether to call it off or to let it go on.
    """
    with connect(url) as services:
        found = find_deployment(services, deployment)
        begun = services.scheduler.post("/api/v1/switches", {"deployment_id": found["id"]})
        ended = begun if detach else _watch(services, found, begun, within_s)
        if output is OutputFormat.JSON:
            show_item(ended, output)
        elif ended["state"] == "ready" or detach:
            note(f"{found['name']}: {ended['state']}{_detail(ended)}{_evicted(ended)}")
        if ended["state"] in {"failed", "cancelled"}:
            raise Failure(f"The switch to {found['name']} {_ended(ended['state'])}{_detail(ended)}")


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
        note(f"It goes on; `roundhouse deployments show {deployment['name']}` shows it.")
        return switch
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
