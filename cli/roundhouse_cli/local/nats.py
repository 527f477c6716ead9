"""The configuration of the local NATS server: who may connect, and what each may do."""

import json
from pathlib import Path

from roundhouse_cli.local.files import private_dir, write_private
from roundhouse_cli.local.layout import DataDir, Ports
from roundhouse_cli.local.secrets import Secrets
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.generate.server import nats_config

__all__ = ["JoinedNodes", "config_path", "write_nats_config"]


class JoinedNodes:
    """The nodes of other hosts that got credentials here: node id to public NATS key."""

    def __init__(self, data_dir: DataDir) -> None:
        self._path = data_dir.secrets / "nodes.json"

    def load(self) -> dict[str, str]:
        try:
            found: dict[str, str] = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return found

    def add(self, node_id: str, public_key: str) -> None:
        """Remember the node; a key it had before is not accepted any more."""
        write_private(self._path, json.dumps({**self.load(), node_id: public_key}, indent=1) + "\n")


def config_path(data_dir: DataDir) -> Path:
    return data_dir.nats / "nats.conf"


def write_nats_config(data_dir: DataDir, ports: Ports, node_id: str) -> None:
    """Write the server's whole configuration: every service, this host's node and every node that joined."""
    users = Secrets(data_dir.secrets).public_nkeys(Service)
    nodes = {**JoinedNodes(data_dir).load(), node_id: users.pop(Service.NODE_AGENT)}
    text = nats_config(
        port=ports.services["nats"],
        jetstream_dir=private_dir(data_dir.nats / "jetstream"),
        services=users,
        nodes=nodes,
    )
    write_private(config_path(data_dir), text)
