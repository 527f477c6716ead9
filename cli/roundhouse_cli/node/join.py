"""Joining: a token is changed into credentials for one node. The secret key is made here and stays here."""

import hashlib
import json
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field

from roundhouse_cli.connection import Connection
from roundhouse_cli.errors import Failure, Refused
from roundhouse_cli.local.addresses import address_towards
from roundhouse_cli.local.files import write_private
from roundhouse_cli.local.port_owner import is_free
from roundhouse_cli.node.home import NodeHome
from roundhouse_cli.rest import Item, Services
from roundhouse_common.nats_auth.credentials import Credentials
from roundhouse_common.nats_auth.keys import KeyKind, new_seed, public_key

__all__ = ["Joining", "join"]

_AGENT_PORT = 8804
_KEY_REVOKED = "node_key_revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Joining:
    """What a person says of this host."""

    token: str = field(repr=False)
    node_id: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    region: str = ""
    zone: str = ""
    address: str = ""
    """Where routers reach its engines; empty: the address it speaks to the platform from."""


def join(home: NodeHome, connection: Connection, wanted: Joining) -> Item:
    """Get credentials and write everything the agent needs; return what the platform answered.

    Asking again with the same token after a lost answer is safe. A host that joins again keeps its id, so that its
    agent adopts the engines that run. Raises Failure or Refused with what to do.
    """
    home.make()
    node_id = wanted.node_id or home.settings().get("NODE_ID", "")
    seed = _seed(home, wanted.token)
    try:
        answer = _ask(connection, wanted.token, node_id, public_key(seed))
    except Refused as error:
        if error.code == _KEY_REVOKED:
            home.joining.unlink(missing_ok=True)
        raise
    write_private(home.credentials, Credentials(seed=seed, jwt=answer["credentials"]).dumps())
    home.write_environment(_settings(home, connection, wanted, answer))
    home.joining.unlink(missing_ok=True)
    return answer


def _ask(connection: Connection, token: str, node_id: str, key: str) -> Item:
    body: Item = {"token": token, "hostname": socket.gethostname(), "public_key": key}
    if node_id:
        body["node_id"] = node_id
    with Services(connection) as services:
        answer = services.scheduler.post("/api/v1/nodes:join", body)
    if not answer.get("credentials"):
        raise Failure(f"What answers at {connection.scheduler_url} is not the scheduler of a Roundhouse.")
    return answer


def _seed(home: NodeHome, token: str) -> str:
    """Return the key to join with: a new one for each token, the same again for the same token."""
    digest = hashlib.sha256(token.encode()).hexdigest()
    try:
        found = json.loads(home.joining.read_text(encoding="utf-8"))
        if found["token_sha256"] == digest:
            return str(found["seed"])
    except (OSError, ValueError, KeyError):
        pass
    seed = new_seed(KeyKind.USER, secrets.token_bytes)
    write_private(home.joining, json.dumps({"token_sha256": digest, "seed": seed}) + "\n")
    return seed


def _settings(home: NodeHome, connection: Connection, wanted: Joining, answer: Item) -> dict[str, object]:
    """Return the agent's settings. What was set in the file before and is not said anew stays."""
    address = wanted.address or address_towards(connection.host)
    said: dict[str, object] = {
        "NODE_ID": answer["node_id"],
        "NATS_URL": ",".join(answer["nats_urls"]),
        "NATS_SEED_FILE": home.credentials,
        "STATE_DIR": home.state,
        "ADDRESS": address,
        "ENGINE_HOST": address,
    }
    if wanted.labels:
        said["LABELS"] = json.dumps(wanted.labels)
    said |= {name: value for name, value in (("REGION", wanted.region), ("ZONE", wanted.zone)) if value}
    return {"PORT": _agent_port(), **home.settings(), **said}


def _agent_port() -> int:
    """Return the port of the agent's own endpoints: the usual one, or any that is free."""
    if is_free(_AGENT_PORT):
        return _AGENT_PORT
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
