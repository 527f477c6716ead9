"""The whole configuration of the nats-server that `roundhouse up` starts."""

import json
from collections.abc import Mapping
from pathlib import Path

from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.generate.permissions import Permissions, permissions_of

__all__ = ["nats_config"]

_MAX_PAYLOAD_BYTES = 4 * 1024 * 1024
_ANSWER_EXPIRES = "2m"


def nats_config(
    *,
    port: int,
    jetstream_dir: Path,
    services: Mapping[Service, str],
    nodes: Mapping[str, str],
    host: str = "127.0.0.1",
    max_store_bytes: int = 16 * 1024**3,
) -> str:
    """Return the text of `nats.conf`.

    `services` has the public nkey of each service but the node agent; `nodes` has one per node id. JetStream syncs
    every write. `max_store_bytes` must cover the sum of the streams' `max_bytes`, which the server reserves.
    """
    users = [_user(key, permissions_of(service)) for service, key in sorted(services.items())]
    users += [_user(key, permissions_of(Service.NODE_AGENT, node_id)) for node_id, key in sorted(nodes.items())]
    return "\n".join(
        [
            "# Made by roundhouse from the contract registry: changes are lost at the next start.",
            f"host: {json.dumps(host)}",
            f"port: {port}",
            f"max_payload: {_MAX_PAYLOAD_BYTES}",
            "jetstream {",
            f"  store_dir: {json.dumps(str(jetstream_dir))}",
            "  sync_interval: always",
            "  max_memory_store: 67108864",
            f"  max_file_store: {max_store_bytes}",
            "}",
            "authorization {",
            "  users: [",
            *users,
            "  ]",
            "}",
            "",
        ]
    )


def _user(public_key: str, permissions: Permissions) -> str:
    answers = f'      allow_responses: {{ max: 1, expires: "{_ANSWER_EXPIRES}" }}\n' if permissions.may_answer else ""
    return (
        f"    {{ nkey: {public_key}, permissions: {{\n"
        f"      publish: {{ allow: {_subjects(permissions.publish)} }}\n"
        f"      subscribe: {{ allow: {_subjects(permissions.subscribe)} }}\n"
        f"{answers}"
        "    } }"
    )


def _subjects(subjects: tuple[str, ...]) -> str:
    return "[\n" + "".join(f"        {json.dumps(subject)}\n" for subject in subjects) + "      ]"
