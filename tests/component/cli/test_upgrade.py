"""A data directory of the release before, whose server knew every user's key itself, is taken over by `up`."""

import contextlib
import json
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client
from nats.js.api import StreamConfig

from roundhouse_cli.local.layout import DataDir, Ports
from roundhouse_cli.local.prepare import local_node_id, prepare
from roundhouse_cli.local.secrets import Secrets
from roundhouse_cli.local.services import nats_server_program
from roundhouse_common.bus.nats_bus import NatsBus
from roundhouse_common.bus.nats_session import proof_of
from roundhouse_common.contracts.base import Service
from roundhouse_common.nats_auth.credentials import Credentials
from roundhouse_common.nats_auth.jwt import claims_of, encode
from roundhouse_common.nats_auth.keys import KeyKind, new_seed, public_key
from roundhouse_common.runtime import SystemClock, SystemIds
from tests.support.eventually import eventually
from tests.support.ports import free_ports

_SERVICES = 6
SUBJECT = "rh.use.v1.router.request.settled.r1"


class Directory:
    """A data directory, with the NATS server that its configuration describes."""

    def __init__(self, path: Path) -> None:
        self.data_dir = DataDir(path)
        self.ports = Ports(free_ports(_SERVICES))
        self.url = f"nats://127.0.0.1:{self.ports.services['nats']}"
        self.old_seed = new_seed(KeyKind.USER, secrets.token_bytes)

    def write_old(self) -> None:
        """Write what matters of the release before: seeds, and a configuration with users."""
        secrets_dir = self.data_dir.secrets
        secrets_dir.mkdir(parents=True)
        self.data_dir.nats.mkdir()
        for service in Service:
            (secrets_dir / f"nats-{service}.seed").write_text(new_seed(KeyKind.USER, secrets.token_bytes) + "\n")
        (self.data_dir.path / "node-id").write_text("nod_before\n")
        (self.data_dir.nats / "nats.conf").write_text(
            f"port: {self.ports.services['nats']}\n"
            f"jetstream {{ store_dir: {json.dumps(str(self.data_dir.nats / 'jetstream'))} }}\n"
            f"authorization {{ users: [ {{ nkey: {public_key(self.old_seed)} }} ] }}\n"
        )

    def prepare(self) -> None:
        prepare(self.data_dir, self.ports, SystemIds(), SystemClock())

    def administrator(self) -> Credentials:
        """Return a user of the new account without any limits."""
        seed = new_seed(KeyKind.USER, secrets.token_bytes)
        nats = {"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1}
        claims = {"sub": public_key(seed), "name": "test", "nats": nats}
        root = Secrets(self.data_dir.secrets).root()
        return Credentials(seed=seed, jwt=encode(claims, seed=root.account_seed, issued_at=1))

    @contextlib.contextmanager
    def served(self) -> Iterator[None]:
        """Run the server."""
        command = [nats_server_program(), "-c", str(self.data_dir.nats / "nats.conf")]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield
        finally:
            process.terminate()
            process.wait(timeout=10)

    async def client(self, credentials: Credentials) -> Client:
        """Connect as soon as the server listens."""

        async def attempt() -> Client | None:
            client = Client()
            try:
                await client.connect(
                    self.url, allow_reconnect=False, max_reconnect_attempts=1, error_cb=_quiet, **proof_of(credentials)
                )
            except Exception:  # noqa: BLE001 - not there yet, whatever it says
                return None
            return client

        found = await eventually(attempt)
        assert found is not None
        return found


async def _quiet(error: Exception) -> None:
    """Say nothing of attempts that come too early."""


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    return Directory(tmp_path / "data")


def revocations(directory: Directory) -> Any:
    (account,) = (path for path in (directory.data_dir.nats / "accounts").glob("*.jwt"))
    return claims_of(account.read_text())["nats"]["revocations"]


async def test_streams_and_keys_of_the_release_before_stay(directory: Directory) -> None:
    directory.write_old()
    seeds = {path.name: path.read_text() for path in directory.data_dir.secrets.glob("*.seed")}
    with directory.served():
        client = await directory.client(Credentials(seed=directory.old_seed))
        await client.jetstream().add_stream(StreamConfig(name="USAGE", subjects=["rh.use.>"]))
        await client.jetstream().publish(SUBJECT, b"settled")
        await client.close()

    directory.prepare()

    assert {path.name: path.read_text() for path in directory.data_dir.secrets.glob("*.seed")} == seeds
    assert local_node_id(directory.data_dir, SystemIds()) == "nod_before"
    with directory.served():
        client = await directory.client(directory.administrator())
        kept = await client.jetstream().get_msg("USAGE", 1)
        await client.close()
    assert (kept.subject, kept.data) == (SUBJECT, b"settled")


async def test_every_service_and_the_node_of_this_host_connect_with_what_was_written(directory: Directory) -> None:
    directory.prepare()

    with directory.served():
        await (await directory.client(directory.administrator())).close()
        for service in Service:
            bus = NatsBus(
                service,
                url=directory.url,
                seed_file=Secrets(directory.data_dir.secrets).nats_credentials(service),
                clock=SystemClock(),
                node_id=local_node_id(directory.data_dir, SystemIds()) if service is Service.NODE_AGENT else "",
            )
            await bus.connect()
            assert bus.is_connected, service
            await bus.close()


def test_preparing_again_lets_nobody_back_in(directory: Directory) -> None:
    directory.prepare()
    authority = Secrets(directory.data_dir.secrets).root().node_authority(at=1)
    account = directory.data_dir.nats / "accounts" / f"{authority.account}.jwt"
    account.write_text(authority.account_jwt({"UGONE": 7}, at=2))

    directory.prepare()

    assert revocations(directory) == {"UGONE": 7}


def test_an_account_of_another_signer_is_replaced_before_the_server_refuses_it(directory: Directory) -> None:
    directory.prepare()
    root = Secrets(directory.data_dir.secrets).root()
    account = directory.data_dir.nats / "accounts" / f"{root.account}.jwt"
    good = claims_of(account.read_text())
    claims = root.node_authority(at=1).account_claims({"UGONE": 7})
    account.write_text(encode(claims, seed=root.account_seed, issued_at=2))

    directory.prepare()

    assert claims_of(account.read_text())["iss"] == good["iss"]
    assert revocations(directory) == {"UGONE": 7}
