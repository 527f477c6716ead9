"""The supervisor as a real process, with tiny programs to look after."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from roundhouse_cli.supervisor.leftovers import end_leftovers, leftovers
from roundhouse_cli.supervisor.plan import Plan, TaskPlan
from roundhouse_cli.supervisor.processes import start_ticks
from roundhouse_cli.supervisor.records import SUPERVISOR, read_record, write_record
from roundhouse_common.runtime import SystemClock
from tests.component.cli.fake_programs import COOKIE, child, journal, pids, plan
from tests.support.eventually import eventually

pytestmark = pytest.mark.process


class Supervised:
    """A running supervisor; `start` it, then let it be killed or stopped."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, wanted: Plan) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "roundhouse_cli.supervisor", str(wanted.data_dir / "plan")]
        self.processes.append(subprocess.Popen(command, stderr=subprocess.PIPE))
        return self.processes[-1]

    def log(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in (self.directory / "logs" / "supervisor.log").read_text().splitlines()]


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Supervised]:
    running = Supervised(tmp_path)
    yield running
    for process in running.processes:
        process.kill()
        process.communicate()
    end_leftovers(tmp_path / "run", COOKIE, SystemClock())


async def started(directory: Path, *names: str, times: int = 1) -> None:
    await eventually(lambda: all(len(pids(directory, name)) >= times for name in names), within_s=10)


async def gone(*process_ids: int) -> None:
    await eventually(lambda: all(start_ticks(pid) is None for pid in process_ids), within_s=10)


async def test_a_killed_program_is_started_again_at_once(supervised: Supervised, tmp_path: Path) -> None:
    supervised.start(plan(tmp_path, child(tmp_path, "one"), stop_order=("one",)))
    await started(tmp_path, "one")

    os.kill(pids(tmp_path, "one")[0], signal.SIGKILL)

    await started(tmp_path, "one", times=2)
    record = read_record(tmp_path / "run", "one")
    assert record is not None
    assert record.pid == pids(tmp_path, "one")[1]
    assert record.restarts == 1
    assert record.last_exit == "killed by SIGKILL"
    (exited,) = [line for line in supervised.log() if line["event"] == "child_exited"]
    assert exited["restart_in_s"] == 0


async def test_a_program_that_keeps_dying_is_started_ever_more_slowly(supervised: Supervised, tmp_path: Path) -> None:
    supervised.start(plan(tmp_path, child(tmp_path, "one", behaviour="dies"), stop_order=("one",)))

    def all_exits() -> list[dict[str, object]]:
        return [line for line in supervised.log() if line["event"] == "child_exited"]

    await started(tmp_path, "one")
    await eventually(lambda: len(all_exits()) >= 4, within_s=10)
    exits = all_exits()
    assert [line["restart_in_s"] for line in exits[:4]] == [0, 0.25, 0.5, 1.0]
    assert {line["how"] for line in exits} == {"exit code 7"}


async def test_everything_stops_in_the_order_of_the_plan(supervised: Supervised, tmp_path: Path) -> None:
    last_words = (sys.executable, "-c", f"open({str(tmp_path / 'journal')!r}, 'a').write('task ran 0\\n')")
    task = TaskPlan(name="task", argv=last_words)
    children = [child(tmp_path, name) for name in ("one", "two", "three")]
    supervisor = supervised.start(plan(tmp_path, *children, tasks=(task,), stop_order=("three", "task", "one", "two")))
    await started(tmp_path, "one", "two", "three")
    everything = psutil.Process(supervisor.pid).children(recursive=True)

    supervisor.send_signal(signal.SIGTERM)

    assert supervisor.wait(10) == 0
    ended = [(name, word) for name, word, _ in journal(tmp_path) if word != "started"]
    assert ended == [("three", "stopped"), ("task", "ran"), ("one", "stopped"), ("two", "stopped")]
    assert not any(process.is_running() for process in everything)
    assert list((tmp_path / "run").glob("*.json")) == []


async def test_a_program_that_ignores_sigterm_is_killed_after_its_time(supervised: Supervised, tmp_path: Path) -> None:
    stubborn = child(tmp_path, "one", behaviour="stubborn", stop_timeout_s=0.2)
    supervisor = supervised.start(plan(tmp_path, stubborn, stop_order=("one",)))
    await started(tmp_path, "one")

    supervisor.send_signal(signal.SIGTERM)

    assert supervisor.wait(10) == 0
    await gone(*pids(tmp_path, "one"))


async def test_a_second_signal_hurries(supervised: Supervised, tmp_path: Path) -> None:
    stubborn = child(tmp_path, "one", behaviour="stubborn", stop_timeout_s=60)
    supervisor = supervised.start(plan(tmp_path, stubborn, stop_order=("one",)))
    await started(tmp_path, "one")

    supervisor.send_signal(signal.SIGTERM)
    await eventually(lambda: ("one", "stopped") in [entry[:2] for entry in journal(tmp_path)], within_s=10)
    supervisor.send_signal(signal.SIGTERM)

    assert supervisor.wait(10) == 0


async def test_programs_die_with_a_killed_supervisor(supervised: Supervised, tmp_path: Path) -> None:
    supervisor = supervised.start(plan(tmp_path, child(tmp_path, "one"), child(tmp_path, "two"), stop_order=()))
    await started(tmp_path, "one", "two")

    supervisor.kill()

    await gone(*pids(tmp_path, "one"), *pids(tmp_path, "two"))


async def test_a_leftover_that_ignores_the_death_of_its_supervisor_is_found_and_ended(
    supervised: Supervised, tmp_path: Path
) -> None:
    supervisor = supervised.start(plan(tmp_path, child(tmp_path, "one", behaviour="stubborn"), stop_order=()))
    await started(tmp_path, "one")
    supervisor.kill()
    supervisor.wait()

    ended = end_leftovers(tmp_path / "run", COOKIE, SystemClock(), patience_s=0.2)

    assert ended == ["one"]
    await gone(*pids(tmp_path, "one"))
    assert end_leftovers(tmp_path / "run", COOKIE, SystemClock()) == []


async def test_a_process_of_another_data_directory_is_no_leftover(supervised: Supervised, tmp_path: Path) -> None:
    supervised.start(plan(tmp_path, child(tmp_path, "one"), stop_order=("one",)))
    await started(tmp_path, "one")
    record = read_record(tmp_path / "run", "one")
    assert record is not None

    assert leftovers(tmp_path / "run", COOKIE) == [record]
    assert leftovers(tmp_path / "run", "another-cookie") == []
    write_record(tmp_path / "run", type(record)(name="one", pid=record.pid, start_ticks=record.start_ticks + 1))
    assert leftovers(tmp_path / "run", COOKIE) == []


async def test_a_second_supervisor_on_the_same_directory_refuses(supervised: Supervised, tmp_path: Path) -> None:
    wanted = plan(tmp_path, child(tmp_path, "one"), stop_order=("one",))
    supervised.start(wanted)
    await started(tmp_path, "one")

    second = supervised.start(wanted)

    assert second.wait(10) == 4
    assert len(pids(tmp_path, "one")) == 1


async def test_output_is_kept_in_the_log_of_the_program(supervised: Supervised, tmp_path: Path) -> None:
    supervised.start(plan(tmp_path, child(tmp_path, "one"), stop_order=("one",)))

    log = tmp_path / "logs" / "one.log"
    await eventually(lambda: log.exists() and log.read_text() == "one says hello\n", within_s=10)
    assert log.stat().st_mode & 0o777 == 0o600


async def test_the_supervisor_is_light(supervised: Supervised, tmp_path: Path) -> None:
    supervisor = supervised.start(plan(tmp_path, child(tmp_path, "one"), stop_order=("one",)))
    await started(tmp_path, "one")

    assert psutil.Process(supervisor.pid).memory_info().rss < 40 * 1024 * 1024
    record = read_record(tmp_path / "run", SUPERVISOR)
    assert record is not None
    assert record.pid == supervisor.pid


async def test_a_supervisor_with_a_parent_stops_in_order_when_the_parent_is_killed(tmp_path: Path) -> None:
    wanted = plan(tmp_path, child(tmp_path, "one"), child(tmp_path, "two"), stop_order=("two", "one"))
    launcher = (
        "import os, subprocess, sys, time\n"
        "command = [sys.executable, '-m', 'roundhouse_cli.supervisor', sys.argv[1], f'--parent={os.getpid()}']\n"
        "subprocess.Popen(command)\n"
        "time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", launcher, str(wanted.data_dir / "plan")])
    await started(tmp_path, "one", "two")

    parent.kill()
    parent.wait()

    await eventually(lambda: read_record(tmp_path / "run", SUPERVISOR) is None, within_s=10)
    ended = [name for name, word, _ in journal(tmp_path) if word == "stopped"]
    assert ended == ["two", "one"]
