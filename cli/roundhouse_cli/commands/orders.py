"""Orders for nodes: listing them, and watching one until each node has what it asks for."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from roundhouse_cli.commands.node_selection import describe_selection
from roundhouse_cli.commands.options import CLOCK
from roundhouse_cli.errors import Failure
from roundhouse_cli.output import Column, OutputFormat, note, show_items
from roundhouse_cli.rest import Item, Services
from roundhouse_cli.steps import Step, Steps

__all__ = ["Watched", "hostnames_of", "show_orders", "watch"]

_POLL_S = 0.5
_LET_NODES_HEAR_S = 10.0
"""How long a node may take to tell of an order that it has only just got."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """One order, and how to tell of it."""

    title: str
    path: str
    tell: Callable[[Item], str]
    """Says in a few words how far one node is."""
    advice: str
    """Where more is told, for when it does not end well."""


def watch(services: Services, watched: Watched, within_s: float) -> Item:
    """Return the order once every node has what it asks for. Raises Failure when one failed, or time is over.

    An interrupt stops watching only.
    """
    deadline = CLOCK.monotonic() + within_s
    try:
        with Steps(CLOCK).step(watched.title) as step:
            return _until_done(services, watched, step, deadline)
    except KeyboardInterrupt:
        note("It goes on; nothing was called off.")
        raise


def hostnames_of(services: Services) -> dict[str, str]:
    """Return the names of all nodes by id."""
    return {node["id"]: node["hostname"] for node in services.scheduler.items("/api/v1/nodes")}


def show_orders(services: Services, path: str, columns: Sequence[Column], output: OutputFormat) -> None:
    """List orders, for people with the names of their nodes (`for`) and how many of these are `done`."""
    found = services.scheduler.items(path)
    if output is OutputFormat.TABLE:
        names = hostnames_of(services)
        found = [{**one, "for": describe_selection(one["nodes"], names), "done": _progress(one)} for one in found]
    show_items(found, columns, output, empty="Nothing is ordered.")


def _progress(order: Item) -> str:
    done = sum(1 for node in order["on_nodes"] if node["state"] == "ready")
    return f"{done} of {len(order['on_nodes'])}"


def _until_done(services: Services, watched: Watched, step: Step, deadline: float) -> Item:
    patient_until = CLOCK.monotonic() + _LET_NODES_HEAR_S
    while True:
        order = services.scheduler.get(watched.path)
        nodes = order["on_nodes"]
        if not nodes and CLOCK.monotonic() > patient_until:
            raise Failure("No node fits the order; it waits for one that does.")
        if nodes and all(node["state"] == "ready" for node in nodes):
            return order
        failed = [node for node in nodes if node["state"] == "failed"]
        if failed and len(failed) + sum(node["state"] == "ready" for node in nodes) == len(nodes):
            said = "; ".join(f"{node['hostname']}: {node['detail']}" for node in failed)
            raise Failure(f"It failed on {len(failed)} of {len(nodes)} nodes: {said} ({watched.advice}).")
        if CLOCK.monotonic() > deadline:
            raise Failure(f"It still goes on; {watched.advice}.")
        step.note("; ".join(f"{node['hostname']}: {watched.tell(node)}" for node in nodes))
        time.sleep(_POLL_S)
