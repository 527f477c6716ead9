"""Everything that must lie in the data directory before the first process starts."""

import json
from pathlib import Path

from roundhouse_cli.local.files import private_dir, write_private
from roundhouse_cli.local.layout import DataDir, Ports
from roundhouse_cli.local.nats import LocalNats
from roundhouse_cli.local.secrets import Secrets
from roundhouse_cli.local.services import plan
from roundhouse_cli.supervisor.plan import Plan
from roundhouse_common.contracts.base import Service
from roundhouse_common.runtime import Clock, Ids

__all__ = ["JoinedBefore", "local_node_id", "prepare"]


def prepare(data_dir: DataDir, ports: Ports, ids: Ids, clock: Clock) -> Plan:
    """Make what is missing of secrets, directories and configuration, and return the plan. Safe to repeat.

    A directory of the release before is taken over: keys, streams and this host's node stay.
    """
    secrets = Secrets(data_dir.secrets)
    secrets.ensure(Service)
    for name in ("run", "logs", "nats", *Service):
        private_dir(data_dir.path / name)
    node_id = local_node_id(data_dir, ids)
    LocalNats(data_dir, clock).write(ports, node_id)
    return plan(data_dir, ports, node_id=node_id, cookie=secrets.cookie())


def local_node_id(data_dir: DataDir, ids: Ids) -> str:
    """Return the id of this host's node, chosen at the first start: its NATS permissions are made for it."""
    path: Path = data_dir.path / "node-id"
    if not path.exists():
        write_private(path, ids.new("nod") + "\n")
    return path.read_text(encoding="utf-8").strip()


class JoinedBefore:
    """The nodes of other hosts that got credentials from an earlier release: only keys that the server knew itself."""

    def __init__(self, data_dir: DataDir) -> None:
        self._path = data_dir.secrets / "nodes.json"

    def take(self) -> list[str]:
        """Return their ids and forget them: they are to be told once."""
        try:
            found = sorted(json.loads(self._path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return []
        self._path.unlink()
        return found
