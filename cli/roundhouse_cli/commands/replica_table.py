"""The table of replicas, for `ps` and `deployments show`."""

from collections import Counter
from collections.abc import Sequence

from roundhouse_cli.commands.options import CLOCK
from roundhouse_cli.output import Column
from roundhouse_cli.resolve import short_id
from roundhouse_cli.rest import Item, Services
from roundhouse_cli.units import age, show_bytes

__all__ = ["REPLICA_COLUMNS", "with_hosts"]


def explain(replica: Item) -> str:
    """Say in words why a replica is in its phase: its detail, else what each node had against it."""
    if replica.get("detail"):
        return str(replica["detail"])
    rejections = (
        f"{short_id(found['node_id'])}: {found['detail'] or found['reason']}" for found in replica["rejections"]
    )
    return "; ".join(rejections)


def with_hosts(services: Services, replicas: Sequence[Item]) -> list[Item]:
    """Return the replicas with the name of their host in `host`, for tables. Two nodes of one name keep their ids."""
    nodes = services.scheduler.items("/api/v1/nodes") if replicas else []
    named = Counter(node["hostname"] for node in nodes)
    hosts = {node["id"]: node["hostname"] for node in nodes if named[node["hostname"]] == 1}
    return [{**item, "host": hosts.get(item["node_id"], short_id(item["node_id"]))} for item in replicas]


def _memory(replica: Item) -> str:
    """What it takes in fact, of what it claims."""
    measured, claimed = replica.get("memory_measured_bytes"), replica.get("memory_claimed_bytes")
    return f"{show_bytes(measured)} of {show_bytes(claimed)}"


REPLICA_COLUMNS = (
    Column("REPLICA", lambda replica: short_id(replica["id"])),
    Column("DEPLOYMENT", lambda replica: replica["deployment_name"]),
    Column("VERSION", lambda replica: replica["version_number"]),
    Column("NODE", lambda replica: replica["host"]),
    Column("PHASE", lambda replica: replica["phase"]),
    Column("WANTED", lambda replica: replica["desired"]),
    Column("REASON", lambda replica: replica["reason"]),
    Column("TRIES", lambda replica: replica["attempt"]),
    Column("MEMORY", _memory),
    Column("SINCE", lambda replica: age(replica["since"], CLOCK)),
    Column("DETAIL", explain, is_wrapped=True),
)
