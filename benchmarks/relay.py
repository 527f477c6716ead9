"""What a gateway costs: `scripts/bench relay [--seconds N] [--peers vllm-router,sglang-router,litellm,nginx]`.

Our router, started from a snapshot on disk with no bus anywhere, with an API key, limits of three scopes, routing and
usage records on, and other gateways, which are plain relays in comparison, stand in front of one scripted engine. In
one run, each gateway on a core of its own, it measures for each of them

- CPU time of the gateway's processes per request, with bodies of 1 KB, 32 KB and 400 KB, and per streamed chunk;
- the latency that it adds with 1, 16 and 64 connections, against the same client asking the engine directly, in turns;
- memory, at rest and with many idle streams.

Our router is measured twice, compiled and as Python. Where there is no build that fits, one is made for the benchmark
alone, as `scripts/compile` does; without a C compiler the router is measured as Python only.

`--turns N` measures CPU time only, N times, each figure of all of them one after the other: what a core does otherwise
changes from minute to minute, and so it changes for all. It prints the least and the median, and the ratios within a
turn. `--figures chunk` measures only what has this in its name, and so more turns in the same time.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvloop

from benchmarks.relay_client import Client, request
from benchmarks.relay_subjects import (
    COMPILED,
    KEY,
    PEERS,
    Subject,
    engine,
    fitting_build,
    keep_own_core,
    nginx,
    peer,
    roundhouse,
)
from roundhouse_common.contracts.catalog import EngineKind

CHUNKS = 200
STREAMS = 8
WARM_UP = 64
BODIES = (1, 32, 400)
CONNECTIONS = (1, 16, 64)
ASKED = {"stream": True, "max_tokens": CHUNKS, "stream_options": {"include_usage": True}}
NOT_ASKED = {"stream": True, "max_tokens": CHUNKS}
EMPTY = {**ASKED, "max_tokens": 1}
"""A stream of one chunk: of none some gateways refuse to ask."""
IDLE_PAUSE_MS = 600_000
OURS = "roundhouse"
AS_PYTHON = "roundhouse-python"
"""The same router with its build turned off."""


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU time over so many requests."""

    cpu_s: float
    requests: int

    @property
    def per_request_us(self) -> float:
        return self.cpu_s / self.requests * 1e6


async def drive(port: int, content: bytes, seconds: float, connections: int = STREAMS) -> list[float]:
    """Ask on several connections for so long; return how long each answer took, in seconds."""
    clients = [await Client.connect(port) for _ in range(connections)]
    deadline = time.perf_counter() + seconds
    took: list[float] = []

    async def one(client: Client) -> None:
        while time.perf_counter() < deadline:
            took.append((await client.ask(content)).last_byte_s)
        client.close()

    await asyncio.gather(*map(one, clients))
    return took


async def cost(subject: Subject, seconds: float, kilobytes: int = 1, **members: object) -> Cost:
    content = request("router", KEY, kilobytes=kilobytes, **members)
    await drive(subject.port, content, min(0.5, seconds))
    before = subject.cpu_s()
    requests = len(await drive(subject.port, content, seconds))
    return Cost(subject.cpu_s() - before, requests)


async def per_chunk_us(subject: Subject, seconds: float, **members: object) -> float:
    """Return the cost of a chunk: that of a stream of many less that of one of one."""
    empty = await cost(subject, seconds, 1, **{**members, "max_tokens": 1})
    full = await cost(subject, seconds, 1, **members)
    return (full.per_request_us - empty.per_request_us) / (CHUNKS - 1)


async def added_ms(subject: Subject, engine_port: int, seconds: float, connections: int) -> tuple[float, float]:
    """Return what is added at p50 and p99, asking the engine and the gateway in turns."""
    content = request("latency", KEY)
    direct: list[float] = []
    routed: list[float] = []
    await drive(subject.port, content, 0.2, connections)
    for _ in range(4):
        direct += await drive(engine_port, content, seconds / 8, connections)
        routed += await drive(subject.port, content, seconds / 8, connections)
    return tuple((quantile(routed, share) - quantile(direct, share)) * 1e3 for share in (0.5, 0.99))  # type: ignore[return-value]


async def idle_stream_kib(subject: Subject, streams: int) -> float:
    """Return what an open stream on which nothing comes costs in memory."""
    before = subject.memory_mib()
    content = request("idle", KEY, stream=True, max_tokens=2, seed=IDLE_PAUSE_MS)
    clients = []
    for _ in range(streams):
        client = await Client.connect(subject.port)
        await client.begin(content)
        clients.append(client)
    after = subject.memory_mib()
    for client in clients:
        client.close()
    return (after - before) * 1024 / streams


def quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


async def measure_one(subject: Subject, engine_port: int, seconds: float, idle: int) -> dict[str, float]:
    """Return every figure of one gateway, by name."""
    at_rest = subject.memory_mib()
    figures = {figure: await measured(subject, seconds) for figure, measured in CPU_FIGURES.items()}
    figures["CPU per chunk, usage not asked (us)"] = await per_chunk_us(subject, seconds, **NOT_ASKED)
    for connections in CONNECTIONS:
        p50, p99 = await added_ms(subject, engine_port, seconds, connections)
        figures[f"added p50, {connections} connections (ms)"] = p50
        figures[f"added p99, {connections} connections (ms)"] = p99
    figures["memory at rest (MiB)"] = at_rest
    figures["memory after (MiB)"] = subject.memory_mib()
    figures["memory per idle stream (KiB)"] = await idle_stream_kib(subject, idle)
    return figures


async def measure(seconds: float, peers: Sequence[str], idle: int) -> None:
    build = fitting_build()
    keep_own_core()
    results: dict[str, dict[str, float]] = {}
    with ExitStack() as always:
        engine_port = always.enter_context(engine())
        for name in (OURS, AS_PYTHON, *peers):
            if name == AS_PYTHON and not any(measured.endswith(COMPILED) for measured in results):
                print(f"{OURS} ran as Python")
                continue
            with ExitStack() as stack:
                try:
                    subject = stack.enter_context(_started(name, engine_port, build))
                except (FileNotFoundError, RuntimeError) as error:
                    print(f"{name} is left out: {error}")
                    continue
                results[subject.name] = await measure_one(subject, engine_port, seconds, idle)
        with roundhouse(engine_port, EngineKind.LLAMA_CPP, build=build) as llama:
            llama_us = await per_chunk_us(llama, seconds, **NOT_ASKED)
    show(results)
    print(f"\n{llama.name}, CPU per chunk when llama.cpp's running figures are taken out: {llama_us:.1f} us")


async def measure_in_turns(seconds: float, peers: Sequence[str], turns: int, asked: str) -> None:
    measures = {figure: measured for figure, measured in CPU_FIGURES.items() if asked in figure}
    build = fitting_build()
    keep_own_core()
    taken: dict[str, dict[str, list[float]]] = {}
    with ExitStack() as stack:
        engine_port = stack.enter_context(engine())
        subjects = []
        for name in (OURS, AS_PYTHON, *peers):
            try:
                subjects.append(stack.enter_context(_started(name, engine_port, build)))
            except (FileNotFoundError, RuntimeError) as error:
                print(f"{name} is left out: {error}")
        for turn in range(turns):
            first = turn % len(subjects)
            for figure, measured in measures.items():
                for subject in (*subjects[first:], *subjects[:first]):
                    values = taken.setdefault(subject.name, {}).setdefault(figure, [])
                    values.append(await measured(subject, seconds))
            print(f"turn {turn + 1} of {turns}", flush=True)
    names = [subject.name for subject in subjects]
    for what, of in (("least", min), ("median", statistics.median)):
        print(f"\n{what} of {turns} turns:")
        show({name: {figure: of(taken[name][figure]) for figure in measures} for name in names})
    show_ratios(taken, names)


def _request_us(kilobytes: int, **members: object) -> Callable[[Subject, float], Awaitable[float]]:
    async def measured(subject: Subject, seconds: float) -> float:
        return (await cost(subject, seconds, kilobytes, **members)).per_request_us

    return measured


async def _chunk_us(subject: Subject, seconds: float) -> float:
    return await per_chunk_us(subject, seconds, **ASKED)


CPU_FIGURES: Final[Mapping[str, Callable[[Subject, float], Awaitable[float]]]] = {
    **{f"CPU per request, {size} KB (us)": _request_us(size) for size in BODIES},
    "CPU per stream of one chunk (us)": _request_us(1, **EMPTY),
    "CPU per chunk (us)": _chunk_us,
}


def show_ratios(taken: Mapping[str, Mapping[str, Sequence[float]]], names: Sequence[str]) -> None:
    """Print ours beside each of the others, turn by turn: what both found in the same seconds cancels out."""
    others = names[1:]
    print("\nours / other in the same turn, median (quarter, three quarters):\n")
    print(f"{'':<40}" + "".join(f"{name:>{max(22, len(name) + 2)}}" for name in others))
    for figure, ours in taken[names[0]].items():
        line = f"{figure:<40}"
        for name in others:
            ratios = [
                one / other for one, other in zip(ours, taken[name][figure], strict=True) if _is_told(figure, other)
            ]
            ratio = "-"
            if len(ratios) > max(1, len(ours) // 2):
                low, middle, high = statistics.quantiles(ratios, n=4)
                ratio = f"{middle:.2f} ({low:.2f}, {high:.2f})"
            line += f"{ratio:>{max(22, len(name) + 2)}}"
        print(line)


def _started(name: str, engine_port: int, build: Path):  # type: ignore[no-untyped-def]  # a context manager of a Subject
    if name in (OURS, AS_PYTHON):
        return roundhouse(engine_port, name=name, compiled="auto" if name == OURS else "off", build=build)
    return nginx(engine_port) if name == "nginx" else peer(name, engine_port)


def _is_told(figure: str, value: float) -> bool:
    """Whether a value is one: some take as long for a stream of one chunk as for one of many, and nobody passes one on
    for less than a system call."""
    return value >= 1.0 if figure.endswith("(us)") else value > 0


def show(results: dict[str, dict[str, float]]) -> None:
    names = list(results)
    width = max(15, *(len(name) + 2 for name in names))
    print(f"\n{'':<40}" + "".join(f"{name:>{width}}" for name in names) + f"{'ours / best':>15}")
    for figure in next(iter(results.values())):
        values = [results[name][figure] for name in names]
        others = [
            value
            for name, value in zip(names[1:], values[1:], strict=True)
            if name != AS_PYTHON and _is_told(figure, value)
        ]
        ratio = f"{values[0] / min(others):>15.2f}" if others and values[0] > 0 else f"{'-':>15}"
        print(f"{figure:<40}" + "".join(f"{value:>{width}.2f}" for value in values) + ratio)


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench relay", description="CPU, latency and memory of gateways")
    parser.add_argument("--seconds", type=float, default=4.0, help="how long each measurement takes")
    parser.add_argument("--peers", default=",".join((*PEERS, "nginx")), help="which others, separated by commas")
    parser.add_argument("--idle", type=int, default=2000, help="idle streams to hold open")
    parser.add_argument("--turns", type=int, default=0, help="measure CPU time only, in so many turns")
    parser.add_argument("--figures", default="", help="with --turns: only those whose names contain this, e.g. chunk")
    given = parser.parse_args()
    peers = [name for name in given.peers.split(",") if name]
    if given.idle < 1:
        parser.error("--idle must be at least 1")
    if not any(given.figures in figure for figure in CPU_FIGURES):
        parser.error(f"--figures {given.figures}: in the name of none of {', '.join(CPU_FIGURES)}")
    if given.figures and not given.turns:
        parser.error("--figures goes with --turns")
    if given.turns:
        uvloop.run(measure_in_turns(given.seconds, peers, given.turns, given.figures))
    else:
        uvloop.run(measure(given.seconds, peers, given.idle))


if __name__ == "__main__":
    main()
