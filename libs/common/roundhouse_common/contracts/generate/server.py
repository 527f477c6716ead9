"""The whole configuration of the nats-server that `roundhouse up` starts.

It names no user: the server trusts one operator, and users come with what the operator's account signed for them
(`roundhouse_common/nats_auth`, docs/decisions/0014). So a node that joins changes nothing here.
"""

import json
from pathlib import Path

__all__ = ["nats_config"]

_MAX_PAYLOAD_BYTES = 4 * 1024 * 1024
_MAX_CONTROL_LINE_BYTES = 32 * 1024
"""CONNECT is a control line, and carries the user's permissions: those of the catalog alone pass the server's 4 KiB."""


def nats_config(
    *,
    port: int,
    jetstream_dir: Path,
    accounts_dir: Path,
    operator_jwt: str,
    system_account: str,
    system_account_jwt: str,
    host: str = "127.0.0.1",
    max_store_bytes: int = 16 * 1024**3,
) -> str:
    """Return the text of `nats.conf`.

    `accounts_dir` is where the server keeps accounts, also those that are handed to it while it runs; the one of the
    services must lie there before it starts. JetStream syncs every write. `max_store_bytes` must cover the sum of
    the streams' `max_bytes`, which the server reserves.
    """
    return "\n".join(
        [
            "# Made by roundhouse: changes are lost at the next start.",
            f"host: {json.dumps(host)}",
            f"port: {port}",
            f"max_payload: {_MAX_PAYLOAD_BYTES}",
            f"max_control_line: {_MAX_CONTROL_LINE_BYTES}",
            "jetstream {",
            f"  store_dir: {json.dumps(str(jetstream_dir))}",
            "  sync_interval: always",
            "  max_memory_store: 67108864",
            f"  max_file_store: {max_store_bytes}",
            "}",
            f"operator: {operator_jwt}",
            f"system_account: {system_account}",
            "resolver {",
            "  type: full",
            f"  dir: {json.dumps(str(accounts_dir))}",
            "  allow_delete: false",
            '  interval: "2m"',
            "}",
            "resolver_preload: {",
            f"  {system_account}: {system_account_jwt}",
            "}",
            "",
        ]
    )
