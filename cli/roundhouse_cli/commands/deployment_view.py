"""What `roundhouse deployments show` tells: what is wanted, what is so, and why."""

from collections.abc import Sequence

from roundhouse_cli.commands.replica_table import REPLICA_COLUMNS, with_hosts
from roundhouse_cli.errors import CliError
from roundhouse_cli.output import OutputFormat, show_item, show_items
from roundhouse_cli.resolve import short_id
from roundhouse_cli.rest import Item, Services
from roundhouse_cli.units import show_bytes
from roundhouse_cli.waiting import describe

__all__ = ["show_deployment"]

_LAST_LINES = 12
_IN_TROUBLE = frozenset({"failed", "lost"})


def show_deployment(services: Services, deployment: Item, status: Item, replicas: Sequence[Item]) -> None:
    """Print the state and why, what is asked for, every replica, and the last log lines of those in trouble."""
    show_item(_facts(deployment, status), OutputFormat.TABLE)
    print()
    show_items(with_hosts(services, replicas), REPLICA_COLUMNS, OutputFormat.TABLE, empty="No replica runs.")
    for replica in replicas:
        if replica["phase"] in _IN_TROUBLE:
            _show_trouble(replica, deployment.get("failure_budget"))
            _show_lines(replica.get("log_tail") or _log_tail(services, replica["id"]))
        elif replica["phase"] != "ready" and replica.get("failures"):
            _show_trouble(replica, deployment.get("failure_budget"))
            _show_first_failure(services, replica)


def _facts(deployment: Item, status: Item) -> Item:
    version = deployment["active_version"]
    resources, placement = version.get("resources") or {}, version.get("placement") or {}
    labels = placement.get("node_labels") or {}
    return {
        "name": deployment["name"],
        "id": deployment["id"],
        "state": describe(status) if status else f"not known; to {deployment['desired']}",
        "model": version["model_name"],
        "engine": version["engine"],
        "version": version["number"],
        "parameters": _pairs(version.get("parameters") or {}),
        "memory per replica": show_bytes(resources.get("memory_bytes")),
        "devices per replica": resources.get("device_count", 0),
        "placement": _pairs(
            {name: value for name, value in {**placement, "node_labels": _pairs(labels)}.items() if value}
        ),
        "rollout": _rollout(deployment),
        "scaling": _scaling(deployment),
        "disconnect grace": f"{deployment.get('disconnect_grace_s', 0):g} s",
        "failure budget": deployment.get("failure_budget"),
        "drain timeout": f"{deployment.get('drain_timeout_s', 0):g} s",
        "created": f"{deployment['created_at']} by {deployment.get('created_by', '-')}",
        "changed": f"{deployment.get('updated_at', '-')} by {deployment.get('updated_by', '-')}",
    }


def _rollout(deployment: Item) -> str:
    rollout = deployment.get("rollout") or {}
    limits = _pairs({name: rollout[name] for name in ("max_surge", "max_unavailable") if name in rollout})
    how = " ".join((rollout.get("strategy", "-"), limits)).strip()
    return f"{how}, paused" if deployment.get("is_paused") else how


def _scaling(deployment: Item) -> str:
    autoscale = deployment.get("autoscale")
    number = f"{deployment['replicas']} as set"
    if autoscale:
        number = f"{autoscale['min_replicas']} to {autoscale['max_replicas']} by load"
    return f"{number}, gives way to others while idle" if deployment.get("is_evictable") else number


def _pairs(values: Item) -> str:
    return " ".join(f"{name}={value}" for name, value in values.items())


def _show_trouble(replica: Item, budget: int | None) -> None:
    """Print why a replica is in trouble, and how often it failed."""
    exit_code = replica.get("exit_code")
    ended = f", exit code {exit_code}" if exit_code is not None else ""
    print(f"\nreplica {short_id(replica['id'])}, attempt {replica['attempt']}{ended}: {replica.get('detail') or '-'}")
    failures = replica.get("failures", 0)
    if failures and budget:
        print(f"  failed {failures} times in a row, of at most {budget}: {_what_next(replica)}")


def _show_first_failure(services: Services, replica: Item) -> None:
    """Print why its version failed first, while it starts again: large engines take minutes until they say it anew."""
    versions = services.scheduler.items(f"/api/v1/deployments/{replica['deployment_id']}/versions")
    failure = next((one["failure"] for one in versions if one["version_id"] == replica["version_id"]), None)
    if failure is not None:
        print(f"  first at {failure['at']}: {failure['reason']}: {failure['detail']}")
        _show_lines(failure["log_tail"])


def _show_lines(lines: Sequence[str]) -> None:
    for line in lines:
        print(f"  | {line}")


def _what_next(replica: Item) -> str:
    if replica.get("is_resting"):
        return "it rests until its version is restarted"
    return f"it starts again at {replica['retry_at']}" if replica.get("retry_at") else "it starts again"


def _log_tail(services: Services, replica_id: str) -> list[str]:
    try:
        chunk = services.scheduler.get(f"/api/v1/replicas/{replica_id}/log", tail=_LAST_LINES)
    except CliError:
        return []
    return str(chunk.get("text", "")).splitlines()
