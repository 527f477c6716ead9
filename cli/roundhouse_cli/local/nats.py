"""The local NATS server: its configuration, and what is signed for the services and for this host's node."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from roundhouse_cli.local.files import private_dir, write_private
from roundhouse_cli.local.layout import DataDir, Ports
from roundhouse_cli.local.secrets import Secrets
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.generate.server import nats_config
from roundhouse_common.nats_auth.authority import NodeAuthority, Root
from roundhouse_common.nats_auth.credentials import Credentials
from roundhouse_common.nats_auth.jwt import claims_of
from roundhouse_common.nats_auth.keys import public_key
from roundhouse_common.runtime import Clock

__all__ = ["LocalNats"]

_ACCOUNT_BEFORE = "$G"
"""Where JetStream of the release before kept everything: the account of servers that have no accounts."""


class LocalNats:
    """What the NATS server of one data directory is started with. The server must not run while this writes.

    What is signed already and says what it should is left as it is, so that preparing again changes nothing.
    """

    def __init__(self, data_dir: DataDir, clock: Clock) -> None:
        self._data_dir = data_dir
        self._secrets = Secrets(data_dir.secrets)
        self._at = clock.now()

    def write(self, ports: Ports, node_id: str) -> None:
        """Write configuration, account and credentials. The secrets must be there."""
        root = self._secrets.root()
        authority = root.node_authority(at=self._at)
        jetstream = private_dir(self._data_dir.nats / "jetstream")
        self._move_streams(jetstream / "jetstream", root.account)
        accounts = private_dir(self._data_dir.nats / "accounts")
        self._write_account(accounts / f"{root.account}.jwt", authority)
        self._write_credentials(root, authority, node_id)
        self._write_authority(authority)
        config = self._data_dir.nats / "nats.conf"
        text = nats_config(
            host=ports.listen,
            port=ports.services["nats"],
            jetstream_dir=jetstream,
            accounts_dir=accounts,
            operator_jwt=root.operator_jwt(at=_MADE_AT),
            system_account=root.system_account,
            system_account_jwt=root.system_account_jwt(at=_MADE_AT),
        )
        write_private(config, text)

    def _move_streams(self, jetstream: Path, account: str) -> None:
        """Give the account what the release before kept without one: the server finds it at its next start."""
        before, now = jetstream / _ACCOUNT_BEFORE, jetstream / account
        if before.is_dir() and not now.exists():
            before.rename(now)

    def _write_account(self, path: Path, authority: NodeAuthority) -> None:
        """Write the account with the permissions of this release. Whom it refuses stays refused."""
        found = _claims(path)
        revoked: dict[str, int] = found.get("nats", {}).get("revocations", {})
        is_ours = found.get("iss") == public_key(authority.operator_signing_seed)  # no other is taken at a start
        if not (is_ours and _says(found, authority.account_claims(revoked))):
            write_private(path, authority.account_jwt(revoked, at=self._at))

    def _write_credentials(self, root: Root, authority: NodeAuthority, node_id: str) -> None:
        for service in Service:
            seed = self._secrets.nats_seed(service).read_text(encoding="utf-8").strip()
            user = public_key(seed)
            if service is Service.NODE_AGENT:
                jwt = authority.node_jwt(node_id, user, at=self._at)
            else:
                jwt = root.service_jwt(service, user, at=self._at)
            path = self._secrets.nats_credentials(service)
            if not _says(_claims_of_credentials(path), claims_of(jwt)):
                write_private(path, Credentials(seed=seed, jwt=jwt).dumps())

    def _write_authority(self, authority: NodeAuthority) -> None:
        path = self._secrets.nats_authority
        with suppress(OSError, ValueError):
            found = NodeAuthority.loads(path.read_text(encoding="utf-8"))
            same = _says(claims_of(found.publisher_jwt), claims_of(authority.publisher_jwt))
            if same and found.node_seed == authority.node_seed:
                return
        write_private(path, authority.dumps())


_MADE_AT = 0
"""Operator and system account are signed for all time, so that the configuration stays the same."""


# Any: claims are JSON objects whose shape NATS owns.
def _claims(path: Path) -> dict[str, Any]:
    """Return what a signed file says; nothing when it is not there or damaged."""
    try:
        return claims_of(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _claims_of_credentials(path: Path) -> dict[str, Any]:
    try:
        return claims_of(Credentials.parse(path.read_text(encoding="utf-8")).jwt)
    except (OSError, ValueError):
        return {}


def _says(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Tell whether both say the same of the same, whenever they were signed."""
    return all(found.get(name) == wanted[name] for name in ("sub", "name", "nats"))
