"""Nodes and devices as people see them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from roundhouse_console.domain.units import bytes_text, percent

__all__ = ["Tone", "bar_tone", "condition_of", "device_rows", "regions_of"]

Tone = Literal["good", "busy", "warn", "bad", "quiet"]
Found = Mapping[str, Any]
"""An object of a service's answer. Any: the services own its shape."""

_CONDITIONS: Final[Mapping[str, Tone]] = {
    "ready": "good",
    "pending-approval": "busy",
    "cordoned": "warn",
    "maintenance": "warn",
    "draining": "busy",
    "shutting-down": "warn",
    "late": "bad",
    "unreachable": "bad",
    "removed": "quiet",
}
_HEALTH: Final[Mapping[str, Tone]] = {"ok": "good", "degraded": "warn", "failed": "bad"}
_FULL = 0.95
_TIGHT = 0.8


def condition_of(node: Found) -> tuple[str, Tone]:
    """Return a node's condition in a word and its tone."""
    return node["condition"], _CONDITIONS.get(node["condition"], "warn")


def bar_tone(share: float) -> Tone:
    """Return how a share of 1 that is in use looks."""
    return "bad" if share >= _FULL else "warn" if share >= _TIGHT else "good"


def regions_of(nodes: Sequence[Found], now: Mapping[str, Found], words: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return regions with their nodes for the map. `now` are the last samples by node.

    `words`: `none` (no region), `cpu`, `memory`, `replicas`.
    """
    regions: dict[str, list[dict[str, Any]]] = {}
    for node in sorted(nodes, key=lambda one: one["hostname"]):
        regions.setdefault(node["region"], []).append(_tile(node, now.get(node["id"]), words))
    return [{"name": name, "title": name or words["none"], "nodes": found} for name, found in sorted(regions.items())]


def _tile(node: Found, sample: Found | None, words: Mapping[str, str]) -> dict[str, Any]:
    condition, tone = condition_of(node)
    devices = {one["uuid"]: one for one in (sample["devices"] if sample else ())}
    kinds = sorted({one["model"] or one["vendor"] for one in node["devices"]})
    return {
        "id": node["id"],
        "href": f"/nodes/{node['id']}",
        "name": node["hostname"],
        "tone": tone,
        "why": f"{condition}: {node['why']}",
        "sub": ", ".join(kinds) or f"{node['cpu_cores']} × {node['arch']}",
        "bars": _bars(node, sample, words),
        "devices": [_cell(one, devices.get(one["uuid"])) for one in node["devices"]],
    }


def _bars(node: Found, sample: Found | None, words: Mapping[str, str]) -> list[dict[str, Any]]:
    total = node["memory_total_bytes"]
    used = sample["memory_used_bytes"] if sample else total - node["memory_free_bytes"]
    found = [_bar(words["memory"], used / total if total else 0.0, bytes_text(used))]
    if sample and sample["cpu_cores"]:
        busy = (sample["cpu_user"] + sample["cpu_system"]) / sample["cpu_cores"]
        found.insert(0, _bar(words["cpu"], busy, percent(busy, 0)))
    return found


def _bar(name: str, share: float, shown: str) -> dict[str, Any]:
    return {"name": name, "share": share, "text": shown, "tone": bar_tone(share)}


def _cell(device: Found, sample: Found | None) -> dict[str, Any]:
    total = device["memory_total_bytes"]
    used = total - device["memory_free_bytes"]
    if sample and sample["memory_used_bytes"] is not None:
        used = sample["memory_used_bytes"]
    share = min(1.0, used / total) if total else 0.0
    busy = "" if sample is None or sample["utilization"] is None else f", {percent(sample['utilization'], 0)}"
    tone = "bad" if device["quarantine"] else _HEALTH.get(device["health"], "quiet")
    name = f"{device['model'] or device['vendor']} {device['index']}"
    return {
        "id": device["uuid"],
        "share": share,
        "tone": tone,
        "text": f"{name}: {bytes_text(used)} / {bytes_text(total)}{busy}",
    }


def device_rows(node: Found, sample: Found | None) -> list[dict[str, Any]]:
    """Return what a table of a node's devices needs: figures, and who claimed how much."""
    samples = {one["uuid"]: one for one in (sample["devices"] if sample else ())}
    rows = []
    for device in node["devices"]:
        now = samples.get(device["uuid"], {})
        total, claimed = device["memory_total_bytes"], device["claimed_memory_bytes"]
        rows.append(
            {
                "uuid": device["uuid"],
                "name": f"{device['index']}: {device['model'] or device['vendor']}",
                "health": device["health"],
                "tone": "bad" if device["quarantine"] else _HEALTH.get(device["health"], "quiet"),
                "why": device["quarantine"]["reason"] if device["quarantine"] else device["health_detail"],
                "is_quarantined": device["quarantine"] is not None,
                "claimed": claimed / total if total else 0.0,
                "claimed_text": f"{bytes_text(claimed)} / {bytes_text(total)}",
                "utilization": now.get("utilization"),
                "temperature": now.get("temperature_c"),
                "power": now.get("power_w"),
            }
        )
    return rows
