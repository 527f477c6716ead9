"""Whose processor time a node's is: its control group's where that limits it, else its cores'."""

import os
from pathlib import Path

import pytest

from roundhouse_node_agent.devices.host_limits import read_cpu_counters
from roundhouse_node_agent.domain.usage import Counters

TICKS = os.sysconf("SC_CLK_TCK")


@pytest.fixture
def stat(tmp_path: Path) -> Path:
    """A machine with one core more than this process may use."""
    own = sorted(os.sched_getaffinity(0))
    lines = [f"cpu{number} {100 * TICKS} {20 * TICKS} {30 * TICKS} 9 9 {4 * TICKS} {6 * TICKS} 7 0 0" for number in own]
    path = tmp_path / "stat"
    other = f"cpu{own[-1] + 1} {999 * TICKS} 0 0 0 0 0 0 0 0 0"
    path.write_text("\n".join(["cpu  1 1 1 1 1 1 1 1 0 0", *lines, other, "intr 5", ""]))
    return path


def read(tmp_path: Path, stat: Path, own: str = "0::/box/inner\n") -> Counters:
    (tmp_path / "own").write_text(own)
    return read_cpu_counters(cgroup_root=tmp_path / "cgroup", own_cgroup=tmp_path / "own", stat=stat)


def group(tmp_path: Path, path: str, **files: str) -> None:
    directory = tmp_path / "cgroup" / path
    directory.mkdir(parents=True)
    for name, text in files.items():
        (directory / name.replace("__", ".")).write_text(text)


@pytest.mark.contract("C01")
def test_a_machine_without_limits_counts_the_cores_it_may_use(tmp_path: Path, stat: Path) -> None:
    cores = len(os.sched_getaffinity(0))
    assert read(tmp_path, stat) == Counters(user_s=120.0 * cores, system_s=40.0 * cores)


def test_a_limited_group_counts_its_own_time(tmp_path: Path, stat: Path) -> None:
    told = "usage_usec 9000000\nuser_usec 6500000\nsystem_usec 2500000\n"
    group(tmp_path, "box", cpu__max="400000 100000\n", cpu__stat=told)
    group(tmp_path, "box/inner", cpu__max="max 100000\n", cpu__stat="user_usec 1\nsystem_usec 1\n")
    assert read(tmp_path, stat) == Counters(user_s=6.5, system_s=2.5)


def test_the_tightest_limit_is_the_one_that_counts(tmp_path: Path, stat: Path) -> None:
    group(tmp_path, "box", cpu__max="800000 100000\n", cpu__stat="user_usec 8000000\nsystem_usec 0\n")
    group(tmp_path, "box/inner", cpu__max="200000 100000\n", cpu__stat="user_usec 2000000\nsystem_usec 0\n")
    assert read(tmp_path, stat) == Counters(user_s=2.0, system_s=0.0)


def test_version_1_counts_in_ticks(tmp_path: Path, stat: Path) -> None:
    told = f"user {50 * TICKS}\nsystem {5 * TICKS}\n"
    group(tmp_path, "cpu/box", cpu__cfs_quota_us="150000", cpu__cfs_period_us="100000", cpuacct__stat=told)
    assert read(tmp_path, stat, "4:cpu,cpuacct:/box\n") == Counters(user_s=50.0, system_s=5.0)


def test_a_limit_without_counters_falls_back_on_the_machine(tmp_path: Path, stat: Path) -> None:
    group(tmp_path, "box", cpu__max="400000 100000\n")
    assert read(tmp_path, stat).user_s > 0
