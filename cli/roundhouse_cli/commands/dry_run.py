"""`roundhouse deploy --dry-run`: where a deployment would go, or why not, node by node. Nothing is changed."""

import re
import shlex

from roundhouse_cli.errors import Failure
from roundhouse_cli.output import Column, OutputFormat, note, show_item, show_items
from roundhouse_cli.resolve import short_id
from roundhouse_cli.rest import Item, Services
from roundhouse_cli.units import show_bytes

__all__ = ["dry_run"]

_ASKED = ("engine", "model_kind", "parameters", "resources", "placement", "alternatives")
_NEEDS = ("memory_need", "alternative_needs", "engine_version", "installs_engine")

_PLACED = (
    Column("REPLICA", lambda found: found["replica"]),
    Column("MEMBER", lambda found: found["rank"]),
    Column("NODE", lambda found: found["hostname"] or short_id(found["node_id"])),
    Column("REGION", lambda found: found["region"]),
    Column("ZONE", lambda found: found["zone"]),
    Column("DEVICES", lambda found: _devices(found["devices"])),
    Column("AS", lambda found: found["alternative"]),
)
_FLAG = Column("MEMORY FLAG", lambda found: _share(found["devices"]))
_REJECTED = (
    Column("NODE", lambda found: found["hostname"] or short_id(found["node_id"])),
    Column("DEVICE", lambda found: found["device_uuid"]),
    Column("REASON", lambda found: found["reason"]),
    Column("WHY NOT", lambda found: found["detail"], is_wrapped=True),
)


def dry_run(services: Services, body: Item, output: OutputFormat) -> None:
    """Check the deployment and show where its replicas would go. Raises Failure when not all of them fit."""
    checked = services.catalog.post("/api/v1/deployments:validate", body)
    version = checked["version"]
    asked = {name: version[name] for name in _ASKED} | {name: version[name] for name in _NEEDS if version.get(name)}
    wanted = {**asked, "replicas": max(1, checked["replicas"]), "command": _command_of(checked)}
    found = services.scheduler.post("/api/v1/placements:dryRun", wanted)
    if output is OutputFormat.JSON:
        show_item({**checked, "placement": found}, output)
    else:
        _show(checked, found)
    if found["unplaced"]:
        raise Failure(f"Not every replica fits: {found['summary']}")


def _show(checked: Item, found: Item) -> None:
    version = checked["version"]
    show_item(
        {
            "name": checked["name"],
            "model": version["model_name"],
            "engine": version["engine"],
            "template": version["template"],
            "memory per replica": _memory(version),
        },
        OutputFormat.TABLE,
    )
    has_flags = any(_share(one["devices"]) for one in found["placed"])
    placed = (*_PLACED, _FLAG) if has_flags else _PLACED
    for rows, columns in ((found["placed"], placed), (found["rejections"], _REJECTED)):
        if rows:
            print()
            show_items(rows, columns, OutputFormat.TABLE, empty="")
    _show_commands(found["placed"])
    if not found["unplaced"]:
        note(f"{found['summary']}; nothing was changed.")


def _command_of(checked: Item) -> Item:
    """Return what the nodes render the command from, beside what counts for the place."""
    version = checked["version"]
    return {
        "deployment_name": checked["name"],
        **{name: version[name] for name in ("model_name", "source", "context_length", "architecture")},
        "chat_template": (version["defaults"] or {}).get("chat_template", ""),
    }


def _show_commands(placed: list[Item]) -> None:
    """Print each command once, with the places that it is for; they differ in the port, which each start picks."""
    shown: dict[str, list[str]] = {}
    for one in placed:
        command = one.get("command")
        if command is not None:
            text = command["error"] or re.sub(rf"\b{command['port']}\b", "PORT", _as_typed(command))
            shown.setdefault(text, []).append(f"{one['replica']} on {one['hostname'] or short_id(one['node_id'])}")
    for text, places in shown.items():
        print(f"\nCommand of {', '.join(places)}:\n{text}")


def _as_typed(command: Item) -> str:
    given = sorted(command["environment"].items())
    hidden = " ".join(f"{name}=''" for name, value in given if not value)  # hides devices
    variables = [*([hidden] if hidden else []), *(f"{name}={shlex.quote(value)}" for name, value in given if value)]
    files = [f"# written before: {path}" for path in command["files"]]
    lacks = [
        *(["# the engine is installed first; ENGINE stands for its place"] if not command["has_engine"] else []),
        *(["# the model's files are fetched first; MODEL_FILES is their place"] if not command["has_files"] else []),
    ]
    return "\n".join([*lacks, *files, " \\\n  ".join([*variables, shlex.join(command["argv"])])])


def _memory(version: Item) -> str:
    resources, need = version["resources"], version.get("memory_need")
    where = f" on each of {resources['device_count']} devices" if resources["device_count"] else ""
    stated = f"{show_bytes(resources['memory_bytes'])}{where}"
    if not need:
        return f"{stated}, as stated"
    return (
        f"{stated}: weights {show_bytes(need['weights_bytes'])}, "
        f"KV cache {show_bytes(need['kv_cache_bytes'])} for {need['concurrency']} x {need['context_tokens']} tokens, "
        f"activations {show_bytes(need['activation_bytes'])}, engine {show_bytes(need['overhead_bytes'])}"
    )


def _share(devices: list[Item]) -> str:
    """What the engine's memory flag must be, sized to the need; devices of one model share one value."""
    shares = [one["memory_share"] for one in devices if one.get("memory_share")]
    return ", ".join(dict.fromkeys(f"{share['flag']} {share['value']:g}" for share in shares))


def _devices(devices: list[Item]) -> str:
    return ", ".join(f"{one['index']}: {one['model']}" for one in devices) or "CPU"
