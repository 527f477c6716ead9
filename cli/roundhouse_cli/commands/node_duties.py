"""What an administrator wants of a node: take nothing new, move everything away, go; and of one of its devices."""

import time
from typing import Annotated

import typer

from roundhouse_cli.commands.node_arguments import NodeName, find_node
from roundhouse_cli.commands.options import CLOCK, Url, connect
from roundhouse_cli.errors import Failure, Refused
from roundhouse_cli.output import note
from roundhouse_cli.resolve import pick
from roundhouse_cli.rest import Item, Services
from roundhouse_cli.steps import Step, Steps

__all__ = ["add_to"]

_POLL_S = 0.25
Reason = Annotated[str, typer.Option(help="Why; others see it.")]
Wait = Annotated[bool, typer.Option("--wait", help="Return when everything has moved away.")]
Within = Annotated[float, typer.Option("--timeout-s", min=0, help="How long to wait at most.")]
Device = Annotated[str, typer.Argument(metavar="DEVICE", help="A device's UUID, or a part of it.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to `roundhouse nodes`."""
    for name, command in (
        ("cordon", cordon),
        ("uncordon", uncordon),
        ("drain", drain),
        ("maintenance", maintenance),
        ("approve", approve),
        ("give-up", give_up),
        ("rm", remove),
        ("quarantine", quarantine),
        ("release", release),
    ):
        app.command(name)(command)


def cordon(node: NodeName, reason: Reason = "", url: Url = "") -> None:
    """Place nothing new on it; what runs goes on."""
    with connect(url) as services:
        _order(services, node, "cordon", reason)
        note(f"{node} takes nothing new; `roundhouse nodes uncordon` lets it again.")


def uncordon(node: NodeName, url: Url = "") -> None:
    """Let it take replicas again, after a cordon, a drain or a maintenance."""
    with connect(url) as services:
        _order(services, node, "uncordon", "")
        note(f"{node} takes replicas.")


def drain(node: NodeName, wait: Wait = False, within_s: Within = 1800.0, reason: Reason = "", url: Url = "") -> None:
    """Move its replicas away, each when its replacement is ready; then it stays cordoned."""
    with connect(url) as services:
        found = _order(services, node, "drain", reason)
        _moved_away(services, found["id"], node, is_awaited=wait, within_s=within_s)


def maintenance(
    node: NodeName, wait: Wait = False, within_s: Within = 1800.0, reason: Reason = "", url: Url = ""
) -> None:
    """Drain it, and expect it to be silent: nobody is alarmed."""
    with connect(url) as services:
        found = _order(services, node, "maintenance", reason)
        _moved_away(services, found["id"], node, is_awaited=wait, within_s=within_s)


def approve(node: NodeName, url: Url = "") -> None:
    """Let a node that has joined get something to run."""
    with connect(url) as services:
        _order(services, node, "approve", "")
        note(f"{node} is approved.")


def give_up(node: NodeName, url: Url = "") -> None:
    """Say that a silent node is dead: its replicas are replaced at once, also while many nodes are silent."""
    with connect(url) as services:
        found = find_node(services, node)
        services.scheduler.post(f"/api/v1/nodes/{found['id']}:give-up")
        note(f"{node} is given up; what ran there is replaced.")


def remove(node: NodeName, url: Url = "") -> None:
    """Remove a drained or dead node: its credentials are taken back. It can join again with a new token."""
    with connect(url) as services:
        found = find_node(services, node)
        try:
            services.scheduler.delete(f"/api/v1/nodes/{found['id']}")
        except Refused as error:
            if error.code != "node_holds_replicas":
                raise
            raise Failure(_what_first(node, found)) from error
        note(f"{found['hostname']} ({found['id']}) is removed.")


def quarantine(node: NodeName, device: Device, reason: Reason = "", url: Url = "") -> None:
    """Take one device out of use: what runs on it moves away."""
    with connect(url) as services:
        uuid = _order_device(services, node, device, "quarantine", reason)
        note(f"{uuid} is not used any more; `roundhouse nodes release` lets it again.")


def release(node: NodeName, device: Device, url: Url = "") -> None:
    """Use a quarantined device again."""
    with connect(url) as services:
        note(f"{_order_device(services, node, device, 'release', '')} is used again.")


def _what_first(name: str, node: Item) -> str:
    count = node["replicas_count"]
    holds = f"{name} still holds {count} replica{'' if count == 1 else 's'}"
    if node["state"] == "ready":
        return f"{holds}; `roundhouse nodes drain {name} --wait` comes first."
    return f"{holds} and is silent; if it is dead, `roundhouse nodes give-up {name}` comes first."


def _order(services: Services, node: str, verb: str, reason: str) -> Item:
    """Tell the scheduler, and return the node as it was."""
    found = find_node(services, node)
    services.scheduler.post(f"/api/v1/nodes/{found['id']}:{verb}", {"reason": reason})
    return found


def _order_device(services: Services, node: str, device: str, verb: str, reason: str) -> str:
    """Tell the scheduler, and return the UUID that is meant."""
    found = find_node(services, node)
    devices = [{"id": item["uuid"], "name": item["model"]} for item in found["devices"]]
    uuid = str(pick(devices, device, "device")["id"])
    services.scheduler.post(f"/api/v1/nodes/{found['id']}/devices/{uuid}:{verb}", {"reason": reason})
    return uuid


def _moved_away(services: Services, node_id: str, name: str, *, is_awaited: bool, within_s: float) -> None:
    """Say that it drains, or wait until nothing is left on it. Raises Failure when that takes too long."""
    if not is_awaited:
        note(f"{name} drains; `roundhouse nodes show {name}` tells how far it is.")
        return
    deadline = CLOCK.monotonic() + within_s
    with Steps(CLOCK).step(f"Draining {name}") as step:
        while left := _left(services, node_id):
            if CLOCK.monotonic() > deadline:
                raise Failure(f"{name} still has {len(left)} replicas: {_describe(services, left)}.")
            _tell(services, step, left)
            time.sleep(_POLL_S)
    note(f"{name} is empty and stays cordoned.")


def _left(services: Services, node_id: str) -> list[Item]:
    """Return the replicas that are still there."""
    return services.scheduler.items("/api/v1/replicas", node_id=node_id, ended=False)


def _tell(services: Services, step: Step, left: list[Item]) -> None:
    step.note(f"{len(left)} left: {_describe(services, left)}")


def _describe(services: Services, left: list[Item]) -> str:
    """Say of each deployment with replicas left how many there are, and what their replacements wait for."""
    words = []
    for name in dict.fromkeys(item["deployment_name"] for item in left):
        mine = [item for item in left if item["deployment_name"] == name]
        words.append(f"{name} {len(mine)} {mine[0]['phase']}{_waiting(services, mine[0]['deployment_id'])}")
    return ", ".join(words)


def _waiting(services: Services, deployment_id: str) -> str:
    """Say why the replacement is not ready, if there is one that is not."""
    others = services.scheduler.items("/api/v1/replicas", deployment_id=deployment_id, ended=False)
    waiting = [item for item in others if item["desired"] == "run" and item["phase"] != "ready"]
    if not waiting:
        return ""
    first = waiting[0]
    return f" (its replacement is {first['phase']}: {first['detail'] or first['reason']})"
