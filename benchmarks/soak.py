"""Whether a router leaks: `scripts/bench soak --minutes 60`.

A router process with keys, limits, a response cache and usage records on, a real NATS and two scripted engines. Clients
ask, stream, leave in the middle and make mistakes, so many that the router is at about half of what one core can do;
meanwhile keys, routes and limits change every second, and every 20 s an engine is killed and replaced. Memory and file
descriptors of the router are sampled, and a line is fitted to the second half. Exit code 1: one of them grows by more
than its bound per hour (beyond twice the fit's standard error), an answer was not what it had to be, or usage is
missing.
"""

import argparse
import asyncio
import math
import random
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import uvloop

from benchmarks.soak_load import CLIENTS, Load
from benchmarks.soak_stage import ControlPlane, Stage, open_stage
from tests.support.router_process import RouterProcess
from tests.support.running_router import SECRET

_MOST_PER_S = 4000.0
_LINES = 40
_SILENCE_S = 60.0
_KEEP_ALIVE_S = 8.0
"""Longer than the router keeps connections to engines that nobody uses."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The router at one moment."""

    at_s: float
    rss_mib: float
    descriptors: int
    cpu: float
    """Share of a core since the sample before."""
    requests_per_s: float


@dataclass(frozen=True, slots=True)
class Fit:
    """A line through samples."""

    per_hour: float
    error_per_hour: float
    """Standard error of the slope."""

    def exceeds(self, bound: float) -> bool:
        return self.per_hour - 2 * self.error_per_hour > bound

    def __str__(self) -> str:
        return f"{self.per_hour:+.2f} per hour, give or take {2 * self.error_per_hour:.2f}"


def fitted(times_s: Sequence[float], values: Sequence[float]) -> Fit:
    """Return the least squares' line. Needs three samples at least."""
    count = len(values)
    mean_t, mean_v = sum(times_s) / count, sum(values) / count
    spread = sum((at - mean_t) ** 2 for at in times_s)
    slope = sum((at - mean_t) * (value - mean_v) for at, value in zip(times_s, values, strict=True)) / spread
    left = sum((value - mean_v - slope * (at - mean_t)) ** 2 for at, value in zip(times_s, values, strict=True))
    return Fit(slope * 3600, math.sqrt(left / (count - 2) / spread) * 3600)


async def watch(process: psutil.Process, load: Load, seconds: float, share: float, every_s: float) -> list[Sample]:
    """Sample for so long, and hold the router at that share of a core. A line for every so many samples is printed."""
    samples: list[Sample] = []
    began = last = time.monotonic()
    cpu, done = sum(process.cpu_times()[:2]), load.done.total()
    print(f"{'min':>6}{'MiB':>9}{'files':>7}{'core':>7}{'req/s':>8}", flush=True)
    shown = 0
    while last - began < seconds:
        await asyncio.sleep(every_s)
        now, cpu_now, done_now = time.monotonic(), sum(process.cpu_times()[:2]), load.done.total()
        sample = Sample(
            now - began,
            process.memory_info().rss / 2**20,
            process.num_fds(),
            (cpu_now - cpu) / (now - last),
            (done_now - done) / (now - last),
        )
        samples.append(sample)
        last, cpu, done = now, cpu_now, done_now
        load.rate = min(max(load.rate * min(max(share / max(sample.cpu, 0.01), 0.8), 1.25), 20.0), _MOST_PER_S)
        if sample.at_s >= shown * seconds / _LINES:
            shown += 1
            print(
                f"{sample.at_s / 60:>6.1f}{sample.rss_mib:>9.2f}{sample.descriptors:>7}"
                f"{sample.cpu:>7.2f}{sample.requests_per_s:>8.0f}",
                flush=True,
            )
    return samples


async def soak(given: argparse.Namespace) -> int:
    """Run it, print everything and return the exit code."""
    rng = random.Random(given.seed)
    with tempfile.TemporaryDirectory(prefix="roundhouse-soak-") as directory:
        async with open_stage(Path(directory), rng) as (router, control, stage):
            process = psutil.Process(router.process.pid)
            files_before = process.num_fds()
            load = Load(router.port, SECRET, rng)
            busy = [asyncio.create_task(load.client(), name="client") for _ in range(CLIENTS)]
            busy.append(asyncio.create_task(control.go_on(), name="changes"))
            watching = asyncio.create_task(watch(process, load, given.minutes * 60, given.share, given.every))
            await asyncio.wait((watching, *busy), return_when=asyncio.FIRST_COMPLETED)
            for task in busy:
                task.cancel()
            ended = await asyncio.gather(*busy, return_exceptions=True)
            defects = [error for error in ended if isinstance(error, Exception)]
            if defects:
                watching.cancel()
                raise defects[0]
            samples = await watching
            waiting = await waiting_usage(router)
            print(f"\nusage records that wait for the bus when the clients stop: {waiting:.0f}", flush=True)
            is_complete = await all_told(router, control)
            await asyncio.sleep(_KEEP_ALIVE_S)
            files_left = process.num_fds() - files_before
        tell(load, control, stage)
        return verdict(samples, load, given, files_left=files_left, is_complete=is_complete)


async def all_told(router: RouterProcess, control: ControlPlane) -> bool:
    """Wait until the router has handed on all usage and none is missing; false when nothing comes for a while."""
    count, last_at = control.outcomes.total(), time.monotonic()
    while time.monotonic() - last_at < _SILENCE_S:
        if await waiting_usage(router) == 0 and control.missing == 0:
            return True
        await asyncio.sleep(1.0)
        if control.outcomes.total() != count:
            count, last_at = control.outcomes.total(), time.monotonic()
    return False


async def waiting_usage(router: RouterProcess) -> float:
    """Return how many records the bus has not acknowledged."""
    async with router.session.get("/metrics") as answer:
        found = re.search(r"(?m)^roundhouse_router_spool_depth (\S+)$", await answer.text())
    return float(found[1]) if found else math.nan


def tell(load: Load, control: ControlPlane, stage: Stage) -> None:
    print(f"requests: {load.done.total()}; " + ", ".join(f"{name} {count}" for name, count in load.done.items()))
    print(f"changes of the control plane: {control.changes}; engines killed and replaced: {stage.restarts}")
    told = ", ".join(f"{count} {name}" for name, count in sorted(control.outcomes.items()))
    print(f"usage records: {told}; {control.missing} missing, {control.repeated} came twice")
    print("answers that were not what they had to be: " + (str(dict(load.strange)) if load.strange else "none"))
    for at_s, what in load.strange_at:
        print(f"  after {at_s:.1f} s: {what}")


def verdict(samples: list[Sample], load: Load, given: argparse.Namespace, *, files_left: int, is_complete: bool) -> int:
    second = samples[len(samples) // 2 :]
    times_s = [sample.at_s for sample in second]
    memory = fitted(times_s, [sample.rss_mib for sample in second])
    descriptors = fitted(times_s, [float(sample.descriptors) for sample in second])
    mean = sum(sample.cpu for sample in second) / len(second)
    print(f"second half, at {mean:.2f} of a core: memory {memory} MiB; file descriptors {descriptors}")
    print(f"file descriptors at rest, after less before: {files_left:+}")
    wrong = [
        text
        for text, is_wrong in (
            (f"memory grows by more than {given.most_mib} MiB per hour", memory.exceeds(given.most_mib)),
            (f"more than {given.most_files} file descriptors stay open", files_left > given.most_files),
            ("answers were not what they had to be", bool(load.strange)),
            ("usage is missing", not is_complete),
        )
        if is_wrong
    ]
    print("soak: " + ("FAILED: " + "; ".join(wrong) if wrong else "passed"))
    return int(bool(wrong))


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench soak", description="Whether a router leaks")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--share", type=float, default=0.5, help="of a core that the router is kept at")
    parser.add_argument("--every", type=float, default=5.0, help="seconds between two samples")
    parser.add_argument("--most-mib", type=float, default=8.0, help="growth of memory per hour that is allowed")
    parser.add_argument("--most-files", type=int, default=8, help="file descriptors that may be left at the end")
    parser.add_argument("--seed", type=int, default=1)
    sys.exit(uvloop.run(soak(parser.parse_args())))


if __name__ == "__main__":
    main()
