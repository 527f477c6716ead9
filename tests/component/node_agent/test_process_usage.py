"""What real processes use, by the kernel's own counters."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from roundhouse_common.runtime import SystemClock, UnixTime
from roundhouse_node_agent.devices.meter import DeviceMeters
from roundhouse_node_agent.domain.usage import sample_between
from roundhouse_node_agent.processes.host_meter import HostMeter
from roundhouse_node_agent.processes.identity import ProcessTable, Recorded
from roundhouse_node_agent.processes.memory import MemoryMeter
from roundhouse_node_agent.processes.usage import ProcessTree, read_trees
from tests.support.eventually import eventually

MIB = 1024**2
BUSY_S = 0.3
GUARD = f"""
import os, subprocess, sys, ctypes
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
burn = "import time, sys\\nwhile time.process_time() < {BUSY_S}: pass\\nprint('done', flush=True)\\nsys.stdin.read()"
child = subprocess.Popen([sys.executable, "-S", "-c", burn], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
sys.stdin.readline()
child.stdin.close()
child.wait()
print("gathered", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def guard() -> Iterator["subprocess.Popen[str]"]:
    """A guard with one child, which burns processor time, then waits, and ends when the guard is told to."""
    with subprocess.Popen(
        [sys.executable, "-S", "-c", GUARD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


def recorded(pid: int, *, started_earlier: int = 0) -> Recorded:
    table = ProcessTable()
    ticks = table.start_ticks(pid)
    assert ticks is not None
    return Recorded(pid=pid, start_ticks=ticks - started_earlier, boot_id=table.boot_id(), cookie="")


def usage_of(process: "subprocess.Popen[str]") -> ProcessTree:
    return read_trees({"rep": recorded(process.pid)})["rep"]


def said(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.contract("B08")
def test_what_a_child_burns_counts_while_it_runs_and_after_it_has_ended(guard: "subprocess.Popen[str]") -> None:
    child = int(said(guard))
    running = usage_of(guard)
    assert set(running.pids) == {guard.pid, child}
    assert BUSY_S * 0.9 <= running.cpu.user_s + running.cpu.system_s < BUSY_S + 2.0
    assert guard.stdin is not None
    guard.stdin.write("end it\n")
    guard.stdin.flush()
    assert said(guard) == "gathered"
    ended = usage_of(guard)
    assert ended.pids == (guard.pid,)
    assert ended.cpu.user_s >= running.cpu.user_s
    assert ended.cpu.system_s >= running.cpu.system_s


def test_another_process_that_got_the_guards_pid_is_not_taken_for_it(guard: "subprocess.Popen[str]") -> None:
    assert read_trees({"rep": recorded(guard.pid, started_earlier=5)}) == {}
    assert read_trees({"rep": Recorded(pid=2**22 + 1, start_ticks=1, boot_id="", cookie="")}) == {}


def test_pages_that_processes_share_are_counted_once() -> None:
    """A parent and its three forks share 64 MiB; each alone has it resident."""
    code = f"""
import os, sys
shared = bytearray(os.urandom(1) * ({64 * MIB}))
children = []
for _ in range(3):
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.read(read, 1)
        os._exit(0)
    children.append(pid)
print(*children, flush=True)
sys.stdin.read()
for pid in children: os.kill(pid, 9)
"""
    with subprocess.Popen(
        [sys.executable, "-S", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        pids = [process.pid, *map(int, said(process).split())]
        resident = [int((Path("/proc") / str(pid) / "statm").read_text().split()[1]) * 4096 for pid in pids]
        together = MemoryMeter(SystemClock()).of_all(pids)
        process.communicate()
    assert sum(resident) > 4 * 64 * MIB
    assert 64 * MIB < together < 110 * MIB


class Proc:
    """A `/proc` with one process, whose figures a test sets; and a clock."""

    def __init__(self, root: Path) -> None:
        self.at = 0.0
        self.meter = MemoryMeter(self, root=root)
        self._directory = root / "7"
        self._directory.mkdir()

    def now(self) -> UnixTime:
        return UnixTime(self.at)

    def monotonic(self) -> float:
        return self.at

    def memory(self, *, resident_mib: int, share_mib: int | None) -> int:
        """Return what the meter says, in MiB."""
        pages = resident_mib * MIB // os.sysconf("SC_PAGE_SIZE")
        (self._directory / "statm").write_text(f"{2 * pages} {pages} 10 1 0 1 0\n")
        rollup = self._directory / "smaps_rollup"
        rollup.unlink(missing_ok=True)
        if share_mib is not None:
            rollup.write_text(f"0-1 ---p 0 0:0 0 [rollup]\nRss: 9 kB\nPss:  {share_mib * 1024} kB\nPss_Dirty: 1 kB\n")
        return self.meter.of_all([7]) // MIB


def test_where_shares_cannot_be_read_the_resident_size_counts(tmp_path: Path) -> None:
    proc = Proc(tmp_path)
    assert proc.memory(resident_mib=30, share_mib=None) == 30
    assert proc.memory(resident_mib=30, share_mib=10) == 10
    assert proc.meter.of_all([8]) == 0


def test_a_large_processes_pages_are_walked_only_now_and_then(tmp_path: Path) -> None:
    proc = Proc(tmp_path)
    assert proc.memory(resident_mib=8000, share_mib=4000) == 4000
    proc.at += 10
    assert proc.memory(resident_mib=8200, share_mib=8200) == 4100
    assert proc.memory(resident_mib=10_000, share_mib=9000) == 9000
    proc.at += 290
    assert proc.memory(resident_mib=10_000, share_mib=5000) == 9000
    proc.at += 20
    assert proc.memory(resident_mib=10_000, share_mib=5000) == 5000
    proc.meter.forget_others([])
    assert proc.memory(resident_mib=10_000, share_mib=2000) == 2000
    assert proc.memory(resident_mib=70_000, share_mib=2000) == 70_000


@pytest.mark.contract("C01", "C02")
async def test_this_machine_is_as_busy_as_its_counters_say() -> None:
    meter = HostMeter(DeviceMeters([]), SystemClock())
    before = await meter.read([])

    async def later_sample() -> bool:
        sum(range(200_000))
        after = await meter.read([])
        sample = sample_between(before, after, node_id="nod_a", epoch=1, at=0.0)
        return sample is not None and 0 < sample.cpu_user + sample.cpu_system <= sample.cpu_cores

    await eventually(later_sample)
    assert 0 < before.memory_used_bytes < before.memory_total_bytes
