"""What the router costs: `scripts/bench relay [--seconds N]`.

A real router process, started from a snapshot on disk with no bus anywhere, stands in front of a scripted engine. In
one run it measures

- the CPU time of the router's process per request and per streamed chunk (user and system, all threads), and
- the latency that it adds: the same client asks the engine directly and through the router, in turns.
"""

import argparse
import asyncio
import hashlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import uvloop

from benchmarks.relay_client import Client, Timing, request
from roundhouse_common.contracts.catalog import EngineKind, ModelKind
from roundhouse_common.contracts.routing import ApiKeyRecord, RouteRecord, RouteTarget
from roundhouse_common.contracts.scheduler import DeploymentEndpoints, Endpoint, EndpointState
from roundhouse_router.store.snapshot import SavedTable, save_table

KEY = "rh-" + "b" * 43
CHUNKS = 200
STREAMS = 8
TENANT = "ten_default"
ASKED = {"stream": True, "max_tokens": CHUNKS, "stream_options": {"include_usage": True}}
NOT_ASKED = {"stream": True, "max_tokens": CHUNKS}
LATENCY_STREAM = {**ASKED, "max_tokens": 8}


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU time over so many requests and chunks."""

    cpu_s: float
    requests: int

    @property
    def per_request_us(self) -> float:
        return self.cpu_s / self.requests * 1e6


def saved(engine_port: int, kind: EngineKind) -> SavedTable:
    """Return the whole control plane's knowledge: one key, one route, one endpoint."""
    endpoint = Endpoint(
        replica_id="rep_1",
        node_id="nod_1",
        base_url=f"http://127.0.0.1:{engine_port}",
        served_model="tiny",
        engine_api_key="engine-key",
        state=EndpointState.READY,
        engine=kind,
    )
    deployment = DeploymentEndpoints(
        deployment_id="dep_1",
        deployment_name="tiny",
        tenant_id=TENANT,
        model_name="tiny",
        model_kind=ModelKind.CHAT,
        revision=1,
        endpoints=(endpoint,),
    )
    route = RouteRecord(
        route_id="rte_1",
        name="tiny",
        tenant_id=TENANT,
        targets=(RouteTarget(deployment_id="dep_1"),),
        model_kind=ModelKind.CHAT,
        created_at=0.0,
    )
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    key = ApiKeyRecord(key_id="key_1", sha256=digest, name="bench", tenant_id=TENANT, user_id="usr_1")
    return SavedTable(saved_at=0.0, keys={"key_1": key}, routes={"rte_1": route}, endpoints={"dep_1": deployment})


@contextmanager
def engine() -> Iterator[int]:
    """Run the scripted engine and yield its port."""
    command = [sys.executable, "-m", "benchmarks.relay_engine"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.stdin.close()


@contextmanager
def router(engine_port: int, kind: EngineKind) -> Iterator[tuple[int, psutil.Process]]:
    """Run a router that knows only its snapshot; yield its port and process."""
    with tempfile.TemporaryDirectory(prefix="roundhouse-bench-") as directory:
        save_table(Path(directory), saved(engine_port, kind))
        port, away = free_port(), free_port()
        settings = {"PORT": str(port), "STATE_DIR": directory, "NATS_URL": f"nats://127.0.0.1:{away}"}
        environment = {**os.environ, **{f"ROUNDHOUSE_ROUTER_{name}": value for name, value in settings.items()}}
        with (Path(directory) / "log").open("wb") as log:
            process = subprocess.Popen([sys.executable, "-m", "roundhouse_router"], env=environment, stderr=log)
        try:
            wait_ready(port)
            yield port, psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(20)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_ready(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, ConnectionError):
            if time.monotonic() > deadline:
                raise
        time.sleep(0.05)


async def drive(port: int, content: bytes, seconds: float) -> int:
    """Ask on several connections for so long; return how many answers came."""
    clients = [await Client.connect(port) for _ in range(STREAMS)]
    deadline = time.perf_counter() + seconds

    async def one(client: Client) -> int:
        answers = 0
        while time.perf_counter() < deadline:
            await client.ask(content)
            answers += 1
        client.close()
        return answers

    return sum(await asyncio.gather(*map(one, clients)))


async def cost(port: int, process: psutil.Process, seconds: float, **members: object) -> Cost:
    content = request("router", KEY, **members)
    await drive(port, content, 0.5)
    before = process.cpu_times()
    requests = await drive(port, content, seconds)
    after = process.cpu_times()
    return Cost(after.user + after.system - before.user - before.system, requests)


async def latencies(ports: Sequence[int], seconds: float, **members: object) -> list[list[Timing]]:
    """Ask each port in turn on one connection each; return the timings per port."""
    clients = [await Client.connect(port) for port in ports]
    content = request("latency", KEY, **members)
    timings: list[list[Timing]] = [[] for _ in ports]
    for _ in range(20):
        for client in clients:
            await client.ask(content)
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        for position, client in enumerate(clients):
            timings[position].append(await client.ask(content))
    for client in clients:
        client.close()
    return timings


def quantile(values: Sequence[float], share: float) -> float:
    """Return it in microseconds."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)] * 1e6


def show_latency(name: str, direct: Sequence[float], routed: Sequence[float]) -> None:
    for label, share in (("p50", 0.5), ("p99", 0.99)):
        straight, through = quantile(direct, share), quantile(routed, share)
        added, ratio = through - straight, through / straight
        print(f"{name:<34}{label:>5}{straight:>12.0f}{through:>12.0f}{added:>12.0f}{ratio:>9.2f}")


async def measure(seconds: float) -> None:
    with ExitStack() as stack:
        engine_port = stack.enter_context(engine())
        port, process = stack.enter_context(router(engine_port, EngineKind.UNKNOWN))
        llama_port, llama_process = stack.enter_context(router(engine_port, EngineKind.LLAMA_CPP))
        whole = await cost(port, process, seconds)
        empty = await cost(port, process, seconds, stream=True, max_tokens=0, stream_options={"include_usage": True})
        streams = {
            "chunk, client asked for usage": await cost(port, process, seconds, **ASKED),
            "chunk, usage taken out": await cost(port, process, seconds, **NOT_ASKED),
            "chunk, llama.cpp figures taken out": await cost(llama_port, llama_process, seconds, **NOT_ASKED),
        }
        print(f"{'CPU of the router process':<39}{'µs':>12}{'samples':>12}")
        print(f"{'request, answered whole':<39}{whole.per_request_us:>12.0f}{whole.requests:>12}")
        print(f"{'request, stream without text':<39}{empty.per_request_us:>12.0f}{empty.requests:>12}")
        for name, measured in streams.items():
            per_chunk_us = (measured.per_request_us - empty.per_request_us) / CHUNKS
            print(f"{name:<39}{per_chunk_us:>12.1f}{measured.requests * CHUNKS:>12}")
        print(f"\n{'latency, one connection':<39}{'direct µs':>12}{'routed µs':>12}{'added µs':>12}{'ratio':>9}")
        direct, routed = await latencies((engine_port, port), seconds)
        show_latency("whole answer", [t.last_byte_s for t in direct], [t.last_byte_s for t in routed])
        direct, routed = await latencies((engine_port, port), seconds, **LATENCY_STREAM)
        show_latency("stream, first byte", [t.first_byte_s for t in direct], [t.first_byte_s for t in routed])
        show_latency("stream, last byte", [t.last_byte_s for t in direct], [t.last_byte_s for t in routed])
        print(f"\n{len(direct)} streams each way; memory of the router {process.memory_info().rss / 2**20:.0f} MB")
        print(f"mean added latency, whole stream: {mean_added_us(direct, routed):.0f} µs")


def mean_added_us(direct: Sequence[Timing], routed: Sequence[Timing]) -> float:
    return (statistics.fmean(t.last_byte_s for t in routed) - statistics.fmean(t.last_byte_s for t in direct)) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench relay", description="CPU and latency of the router")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each of the seven measurements takes")
    uvloop.run(measure(parser.parse_args().seconds))


if __name__ == "__main__":
    main()
