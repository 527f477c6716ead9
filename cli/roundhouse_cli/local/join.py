"""Letting the node agent of another host join the NATS server of this data directory."""

import os
import shlex
import signal
import socket
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from roundhouse_cli.connection import Connection
from roundhouse_cli.errors import Failure, UsageFault
from roundhouse_cli.local.files import private_dir, write_private
from roundhouse_cli.local.layout import DataDir, Ports
from roundhouse_cli.local.nats import JoinedNodes, write_nats_config
from roundhouse_cli.local.prepare import local_node_id
from roundhouse_cli.local.secrets import Secrets, new_nkey
from roundhouse_cli.supervisor.records import is_alive, read_record
from roundhouse_common.contracts.generate.subjects import token
from roundhouse_common.runtime import SystemIds

__all__ = ["make_credentials"]


def make_credentials(data_dir: DataDir, node_id: str, out: Path) -> Path:
    """Write OUT/nats.seed and OUT/node.env for that node, let the running server know, and return the second.

    Repeating it makes a new key; the old one is refused from then on. Raises UsageFault for an id that cannot be one.
    """
    try:
        token(node_id)
    except ValueError as error:
        raise UsageFault(f"{node_id!r} cannot be a node's id: use letters, digits, '_' and '-'.") from error
    own_node_id = local_node_id(data_dir, SystemIds())
    if node_id == own_node_id:
        raise UsageFault(f"{node_id} is the node of this host; give the other one an id of its own.")
    ports = Ports(urlsplit(Connection.load(data_dir.connection).router_url).port or 0)
    seed, public_key = new_nkey()
    try:
        folder = private_dir(out.absolute())
        write_private(folder / "nats.seed", seed + "\n")
        write_private(folder / "node.env", _environment(folder, node_id, ports))
    except OSError as error:
        raise Failure(f"{out} cannot be written: {error.strerror}.") from error
    JoinedNodes(data_dir).add(node_id, public_key)
    write_nats_config(data_dir, ports, own_node_id)
    _reload(data_dir)
    return folder / "node.env"


def _environment(folder: Path, node_id: str, ports: Ports) -> str:
    """Return everything that `python -m roundhouse_node_agent` needs, a variable a line."""
    first, last = ports.engines
    settings = {
        "NODE_ID": node_id,
        "NATS_URL": f"nats://127.0.0.1:{ports.services['nats']}",
        "NATS_SEED_FILE": folder / "nats.seed",
        "STATE_DIR": folder / "state",
        "PORT": _free_port(),
        "ENGINE_PORT_FIRST": first,
        "ENGINE_PORT_LAST": last,
    }
    return "".join(f"ROUNDHOUSE_NODE_AGENT_{name}={shlex.quote(str(value))}\n" for name, value in settings.items())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _reload(data_dir: DataDir) -> None:
    """Let the running server read its configuration again; one that starts later reads it anyway."""
    record = read_record(data_dir.run, "nats")
    if record is not None and is_alive(record, Secrets(data_dir.secrets).cookie()):
        with suppress(ProcessLookupError):
            os.kill(record.pid, signal.SIGHUP)
