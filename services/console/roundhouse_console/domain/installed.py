"""What is installed and stored on nodes, and what was ordered for them, as people see it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from roundhouse_console.domain.errors import Unfit
from roundhouse_console.domain.labels import labels_of, labels_text
from roundhouse_console.domain.times import span
from roundhouse_console.domain.units import bytes_text

__all__ = [
    "UNUSED_FOR_S",
    "engine_state",
    "file_progress",
    "file_source",
    "file_state",
    "for_nodes",
    "is_busy",
    "is_fetched",
    "nodes_of_order",
    "nodes_with",
    "order_progress",
    "token_state",
    "users_of_devices",
]

Tone = Literal["good", "busy", "warn", "bad", "quiet"]
Found = Mapping[str, Any]
"""An object of a service's answer. Any: the services own its shape."""

_FETCHED: Final = frozenset(("hugging-face", "model-scope", "http", "upload"))
_ENGINE: Final[Mapping[str, Tone]] = {
    "ready": "good",
    "ordered": "busy",
    "waiting": "busy",
    "installing": "busy",
    "verifying": "busy",
    "removing": "busy",
    "failed": "bad",
    "gone": "quiet",
}
_FILES: Final[Mapping[str, Tone]] = {
    "ready": "good",
    "ordered": "busy",
    "waiting": "busy",
    "fetching": "busy",
    "paused": "warn",
    "failed": "bad",
    "gone": "quiet",
}
_TOKENS: Final[Mapping[str, Tone]] = {"open": "good", "used": "quiet", "expired": "quiet", "revoked": "warn"}
_DAY_S: Final = 86_400
UNUSED_FOR_S: Final[Mapping[int, str]] = {
    0: "any time",
    _DAY_S: "1 day",
    7 * _DAY_S: "7 days",
    30 * _DAY_S: "30 days",
    90 * _DAY_S: "90 days",
}
"""For how long files are unused that a clean-up may take."""


def engine_state(state: str) -> tuple[str, Tone]:
    return state, _ENGINE.get(state, "quiet")


def file_state(state: str) -> tuple[str, Tone]:
    return state, _FILES.get(state, "quiet")


def token_state(state: str) -> tuple[str, Tone]:
    return state, _TOKENS.get(state, "quiet")


def is_busy(state: str) -> bool:
    """Whether an installation or a fetch in this state still goes on."""
    return state in ("ordered", "waiting", "installing", "verifying", "fetching")


def for_nodes(way: str, node_ids: Sequence[str], labels: str) -> dict[str, Any]:
    """Return the nodes of an order as the scheduler takes them. Raises ValueError, with a sentence for the person."""
    if way == "all":
        return {"all": True}
    if way == "labels":
        found = labels_of(labels)
        if not found:
            raise Unfit("Say which labels the nodes have, e.g. pool=chat.")
        return {"labels": found}
    if not node_ids:
        raise Unfit("Choose at least one node.")
    return {"node_ids": list(node_ids)}


def nodes_with(engines: Sequence[Found]) -> dict[str, int]:
    """Return on how many nodes an engine is ready, in whatever versions; without those that are on none."""
    ready: dict[str, set[str]] = {}
    for one in engines:
        if one["state"] == "ready":
            ready.setdefault(one["engine"], set()).add(one["node_id"])
    return {name: len(ids) for name, ids in ready.items()}


def nodes_of_order(nodes: Found, hostnames: Mapping[str, str], every: str) -> str:
    """Say for which nodes an order is; `every` are the words for all."""
    if nodes["all"]:
        return every
    if nodes["labels"]:
        return labels_text(nodes["labels"])
    return ", ".join(hostnames.get(one, one) for one in nodes["node_ids"])


def order_progress(on_nodes: Sequence[Found]) -> tuple[float, str, Tone]:
    """Return how far the nodes of an order are: a share of 1, a text, and its tone.

    Bytes count where they are known; otherwise a node is done or not.
    """
    if not on_nodes:
        return 0.0, "0 / 0", "busy"
    done = sum(1 for one in on_nodes if one["state"] in ("ready", "gone"))
    share = sum(_share(one) for one in on_nodes) / len(on_nodes)
    is_failed = any(one["state"] == "failed" for one in on_nodes)
    return share, f"{done} / {len(on_nodes)}", "bad" if is_failed else "good" if done == len(on_nodes) else "busy"


def _share(one: Found) -> float:
    if one["state"] in ("ready", "gone"):
        return 1.0
    total = one.get("total_bytes", 0)
    return min(1.0, one["stored_bytes"] / total) if total else 0.0


def file_progress(files: Found) -> tuple[float, str, str]:
    """Return how far a node is with a model: a share of 1, `1.2 GiB / 4 GiB`, and speed with what is left.

    `left_s` below zero, or none, cannot be told.
    """
    stored, total = files["stored_bytes"], files["total_bytes"]
    if not total:
        return 1.0 if files["state"] == "ready" else 0.0, bytes_text(stored) if stored else "", ""
    shown = bytes_text(total) if files["state"] == "ready" else f"{bytes_text(stored)} / {bytes_text(total)}"
    speed = ""
    if files["rate_bytes_s"]:
        speed = f"{bytes_text(files['rate_bytes_s'])}/s"
        if files["left_s"] is not None and files["left_s"] >= 0:
            speed += f", {span(files['left_s'])}"
    return min(1.0, stored / total), shown, speed


def file_source(source: Found) -> str:
    """Return where a model comes from, e.g. `hugging-face: Qwen/Qwen3-0.6B @ 1a2b3c4d`."""
    revision = f" @ {source['revision'][:12]}" if source["revision"] else ""
    return f"{source['kind']}: {source['uri']}{revision}"


def is_fetched(source: Found) -> bool:
    """Say whether nodes fetch a model's files: those of a path or a Python package are there or not."""
    return source["kind"] in _FETCHED


def users_of_devices(replicas: Sequence[Found]) -> dict[str, list[str]]:
    """Return by UUID of a device the deployments whose replicas use it, each with the end of the replica's id."""
    found: dict[str, list[str]] = {}
    for one in replicas:
        for uuid in one["device_uuids"]:
            found.setdefault(uuid, []).append(f"{one['deployment_name']} · {one['id'][-6:]}")
    return {uuid: sorted(names) for uuid, names in found.items()}
