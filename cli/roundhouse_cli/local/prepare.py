"""Everything that must lie in the data directory before the first process starts."""

from pathlib import Path

from roundhouse_cli.local.files import private_dir, write_private
from roundhouse_cli.local.layout import DataDir, Ports
from roundhouse_cli.local.nats import write_nats_config
from roundhouse_cli.local.secrets import Secrets
from roundhouse_cli.local.services import plan
from roundhouse_cli.supervisor.plan import Plan
from roundhouse_common.contracts.base import Service
from roundhouse_common.runtime import Ids

__all__ = ["local_node_id", "prepare"]


def prepare(data_dir: DataDir, ports: Ports, ids: Ids) -> Plan:
    """Make what is missing of secrets, directories and configuration, and return the plan. Safe to repeat."""
    secrets = Secrets(data_dir.secrets)
    secrets.ensure(Service)
    for name in ("run", "logs", "nats", *Service):
        private_dir(data_dir.path / name)
    node_id = local_node_id(data_dir, ids)
    write_nats_config(data_dir, ports, node_id)
    return plan(data_dir, ports, node_id=node_id, cookie=secrets.cookie())


def local_node_id(data_dir: DataDir, ids: Ids) -> str:
    """Return the id of this host's node, chosen at the first start: its NATS permissions are made for it."""
    path: Path = data_dir.path / "node-id"
    if not path.exists():
        write_private(path, ids.new("nod") + "\n")
    return path.read_text(encoding="utf-8").strip()
