"""Deployments, versions and replicas as people see them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from roundhouse_console.domain.times import instant, since
from roundhouse_console.domain.units import bytes_text

__all__ = [
    "PHASES",
    "STATES",
    "Found",
    "compute_curves",
    "device_curves",
    "failure_of",
    "fetch_text",
    "fetches_of",
    "phase_of",
    "replica_facts",
    "state_of",
    "tells",
]

Tone = Literal["good", "busy", "warn", "bad", "quiet"]
Found = Mapping[str, Any]
"""An object of a service's answer. Any: the services own its shape."""
Points = list[tuple[float, float | None]]

STATES: Final[Mapping[str, Tone]] = {
    "Preparing": "busy",
    "Running": "good",
    "Shutting Down": "busy",
    "Stopped": "quiet",
    "Error": "bad",
    "Unknown": "warn",
}
"""The states of a version (B01) and how they are coloured."""
PHASES: Final[Mapping[str, tuple[str, Tone]]] = {
    "pending": ("Pending", "busy"),
    "assigned": ("Assigned", "busy"),
    "fetching": ("Fetching the model", "busy"),
    "starting": ("Starting", "busy"),
    "ready": ("Ready", "good"),
    "draining": ("Draining", "busy"),
    "stopped": ("Stopped", "quiet"),
    "failed": ("Failed", "bad"),
    "unknown": ("Unknown", "warn"),
    "lost": ("Lost", "bad"),
}


def state_of(state: str) -> tuple[str, Tone]:
    """Return a state in words and its tone; one that a newer scheduler made up is shown as it is."""
    return state, STATES.get(state, "quiet")


def phase_of(phase: str) -> tuple[str, Tone]:
    return PHASES.get(phase, (phase, "quiet"))


def failure_of(versions: Sequence[Found]) -> Found | None:
    """Return the last failure of the newest version that failed, with its number."""
    chosen = max((one for one in versions if one["failure"] is not None), key=lambda one: one["number"], default=None)
    failure: Found | None = None if chosen is None else {**chosen["failure"], "number": chosen["number"]}
    return failure


def tells(failure: Found, state: str, active: int) -> bool:
    """Say whether a failure explains how a deployment is now: its version does not run, or gave way to an older one."""
    number: int = failure["number"]
    return number > active or (number == active and state not in ("Running", "Stopped"))


def replica_facts(replica: Found, hostnames: Mapping[str, str], now: float) -> dict[str, Any]:
    """Return the texts of a replica's row: `where`, `memory`, `age`, `why`, `load`."""
    devices = len(replica["device_uuids"])
    where = hostnames.get(replica["node_id"], replica["node_id"] or "–")
    measured, load = replica["memory_measured_bytes"], replica["load"]
    retry = replica["retry_at"]
    return {
        "where": where + (f" · {devices} GPU" if devices else ""),
        "memory": bytes_text(measured if measured is not None else replica["memory_claimed_bytes"]),
        "memory_bytes": measured if measured is not None else replica["memory_claimed_bytes"],
        "age": since(instant(replica["since"]), now),
        "why": replica["detail"] or replica["reason"],
        "load": "" if load is None else f"{load['running']} + {load['waiting']}",
        "retry_in": "" if retry is None else since(now, instant(retry)),
    }


def fetches_of(replicas: Sequence[Found], sources: Mapping[str, Found], files: Sequence[Found]) -> list[Found]:
    """Return the model files that replicas wait for, once per node. `sources` are the models' by version id."""
    found: dict[str, Found] = {}
    for replica in replicas:
        source = sources.get(replica["version_id"])
        if replica["phase"] != "fetching" or source is None:
            continue
        for one in files:
            if one["node_id"] == replica["node_id"] and one["state"] != "ready" and _is_same(one["source"], source):
                found[f"{one['node_id']} {one['key']}"] = one
    return list(found.values())


def fetch_text(one: Found) -> str:
    """Return how far a fetch is: `310 MiB of 1.2 GiB · 45 MiB/s · 20 s left`."""
    stored, total = bytes_text(one["stored_bytes"]), one["total_bytes"]
    parts = [f"{stored} / {bytes_text(total)}" if total else stored]
    if one["rate_bytes_s"]:
        parts.append(f"{bytes_text(one['rate_bytes_s'])}/s")
    if one["left_s"] is not None:
        parts.append(since(0, one["left_s"]))
    return " · ".join(parts)


def _is_same(found: Found, wanted: Found) -> bool:
    """Compare what is fetched; a branch stands for the commit that it was resolved to."""
    return all(found[name] == wanted[name] for name in ("kind", "uri", "patterns"))


def compute_curves(points: Sequence[Found]) -> dict[str, Points]:
    """Return curves of one node or replica: `user`, `system` and `cores` in cores, `used` and `total` in bytes."""
    found: dict[str, Points] = {"user": [], "system": [], "cores": [], "used": [], "total": []}
    names = {
        "user": "cpu_user",
        "system": "cpu_system",
        "cores": "cpu_cores",
        "used": "memory_used_bytes",
        "total": "memory_total_bytes",
    }
    for point in points:
        at = instant(point["at"])
        for name, member in names.items():
            found[name].append((at, point[member]))
    return found


def device_curves(devices: Sequence[Found], names: Mapping[str, str]) -> dict[str, list[tuple[str, Points]]]:
    """Return a curve per device for `utilization` (a share of 1) and `memory` (bytes); `names` by UUID."""
    found: dict[str, list[tuple[str, Points]]] = {"utilization": [], "memory": []}
    for device in devices:
        name = names.get(device["uuid"], device["uuid"])
        for curve, member in (("utilization", "utilization"), ("memory", "memory_used_bytes")):
            found[curve].append((name, [(instant(one["at"]), one[member]) for one in device["points"]]))
    return found
