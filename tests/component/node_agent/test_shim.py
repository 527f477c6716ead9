"""The guard of an engine, with small programs in the engine's place."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from roundhouse_node_agent.domain.errors import LaunchFailed
from roundhouse_node_agent.processes.identity import ProcessTable
from roundhouse_node_agent.processes.launcher import ShimOrder, start_shim
from roundhouse_node_agent.processes.log_files import read_range
from roundhouse_node_agent.processes.records import ExitFile, RunDirectory, RunFile, read_file, run_directory

pytestmark = pytest.mark.timeout(60)
COOKIE = f"cookie-of-test-{os.getpid()}"
TABLE = ProcessTable()


class Guarded:
    """A program under a shim."""

    def __init__(self, shim: "subprocess.Popen[bytes]", run: RunDirectory) -> None:
        self.shim = shim
        self.run = run
        process = read_file(run.run_file, RunFile)
        assert process is not None
        self.process = process

    def ended(self) -> ExitFile:
        self.shim.wait(20)
        found = read_file(self.run.exit_file, ExitFile)
        assert found is not None
        return found

    def log(self) -> str:
        found = read_range(self.run.log_dir, 0, 10_000_000)
        return found.data.decode() if found is not None else ""

    def until_logged(self, words: str) -> None:
        deadline = time.monotonic() + 20
        while words not in self.log():
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.01)


class Shims:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.attempt = 0

    def order(
        self,
        program: str,
        *,
        segment_bytes: int = 1_000_000,
        segments: int = 3,
        grace_s: float = 5.0,
        fence_s: float = 0.0,
    ) -> ShimOrder:
        return ShimOrder(
            argv=(sys.executable, "-I", "-S", "-u", "-c", program),
            env={"PATH": os.defpath},
            segment_bytes=segment_bytes,
            segments=segments,
            grace_s=grace_s,
            cookie=COOKIE,
            attempt=self.attempt,
            contact_file=str(self.path / "contact"),
            fence_s=fence_s,
        )

    def directory(self) -> RunDirectory:
        self.attempt += 1
        run = run_directory(self.path, "rep_1", self.attempt, 1)
        run.path.mkdir(parents=True)
        return run

    def start(self, program: str, **options: float) -> Guarded:
        run = self.directory()
        return Guarded(start_shim(run, self.order(program, **options)), run)  # type: ignore[arg-type]  # numbers by name


@pytest.fixture
def shims(tmp_path: Path) -> Iterator[Shims]:
    yield Shims(tmp_path)
    leftovers = TABLE.with_cookie(COOKIE)
    TABLE.kill_leftovers(COOKIE)
    assert leftovers == []


@pytest.fixture
def small_disk(tmp_path: Path, shims: Shims) -> Iterator[Path]:
    """A file system of 64 KiB."""
    path = tmp_path / "small"
    path.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(path)], check=False)
    if mounted.returncode != 0:
        pytest.skip("this machine does not let tests mount")
    yield path
    TABLE.kill_leftovers(COOKIE)
    subprocess.run(["umount", "-l", str(path)], check=True)


def test_output_and_exit_code_are_written_down(shims: Shims) -> None:
    guarded = shims.start("import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)")
    ended = guarded.ended()
    assert (ended.code, ended.signal, ended.was_asked) == (7, None, False)
    lines = guarded.log().splitlines()
    assert lines[1:-1] == ["out", "err"]
    assert lines[0].startswith("[roundhouse] attempt 1: process ")
    assert lines[-1].endswith("ended with code 7")
    assert guarded.shim.returncode == 7


def test_a_signal_is_told_from_an_exit_code(shims: Shims) -> None:
    ended = shims.start("import os; os.kill(os.getpid(), 11)").ended()
    assert (ended.code, ended.signal) == (None, signal.SIGSEGV)


def test_a_stop_reaches_the_program_and_is_noted_as_asked_for(shims: Shims) -> None:
    guarded = shims.start("import signal, sys\nsignal.signal(15, lambda *_: sys.exit(0))\nprint('up')\nsignal.pause()")
    guarded.until_logged("\nup\n")
    guarded.shim.terminate()
    ended = guarded.ended()
    assert (ended.code, ended.was_asked) == (0, True)


def test_what_ignores_sigterm_is_killed_after_the_grace_with_all_that_it_started(shims: Shims) -> None:
    stubborn = (
        "import os, signal, time\nsignal.signal(15, signal.SIG_IGN)\n"
        "if os.fork() == 0: os.setsid()\nos.write(1, b'up\\n')\nwhile True: time.sleep(1)"
    )
    guarded = shims.start(stubborn, grace_s=0.2)
    guarded.until_logged("up\nup")
    guarded.shim.terminate()
    assert guarded.ended().signal == signal.SIGKILL
    assert TABLE.with_cookie(COOKIE) == []
    assert "did not end within 0.2 s" in guarded.log()


def test_children_that_outlive_the_engine_are_ended(shims: Shims) -> None:
    guarded = shims.start("import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(1000)\nprint('gone')")
    assert guarded.ended().code == 0
    assert TABLE.with_cookie(COOKIE) == []


def test_the_engine_dies_with_its_guard(shims: Shims) -> None:
    guarded = shims.start("import time; time.sleep(1000)")
    guarded.shim.kill()
    guarded.shim.wait(20)
    deadline = time.monotonic() + 20
    while TABLE.with_cookie(COOKIE):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_program_that_cannot_be_run_is_said_so_and_leaves_nothing(shims: Shims) -> None:
    run = shims.directory()
    order = ShimOrder(
        argv=("/no/such/engine",), env={}, segment_bytes=1000, segments=2, grace_s=1, cookie=COOKIE, attempt=1
    )
    with pytest.raises(LaunchFailed, match="cannot run /no/such/engine: No such file or directory"):
        start_shim(run, order)
    assert not run.run_file.exists()


def test_a_directory_that_cannot_be_written_is_said_so_and_leaves_nothing(shims: Shims) -> None:
    run = shims.directory()
    (run.path / "run.json.new").mkdir()
    with pytest.raises(LaunchFailed, match=r"cannot write .*: Is a directory"):
        start_shim(run, shims.order("import time; time.sleep(1000)"))


def test_logs_are_cut_into_segments_and_the_oldest_go(shims: Shims) -> None:
    guarded = shims.start("for n in range(1000): print(f'line {n:04d}')", segment_bytes=1024, segments=3)
    guarded.ended()
    segments = sorted(guarded.run.log_dir.iterdir())
    assert len(segments) == 3
    assert all(segment.stat().st_size <= 1024 + 200 for segment in segments)
    found = read_range(guarded.run.log_dir, 0, 10_000)
    assert found is not None
    assert found.first_offset == int(segments[0].stem)
    numbers = [int(line[5:]) for line in found.data.decode().splitlines() if line.startswith("line")]
    assert numbers == list(range(numbers[0], 1000))


def test_the_log_goes_on_over_attempts(shims: Shims) -> None:
    first = shims.start("print('first')")
    first.ended()
    end = len(first.log())
    second = shims.start("print('second')")
    second.ended()
    assert second.log().startswith(first.log())
    assert "second" in second.log()[end:]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_full_disk_never_blocks_the_engine_and_the_loss_is_said(small_disk: Path, tmp_path: Path) -> None:
    flood = "import fcntl, os, termios, time\nfor n in range(3000): os.write(1, b'x' * 99 + b'\\n')\n"
    # What is still in the pipe would fill the disk again.
    flood += "while any(fcntl.ioctl(1, termios.FIONREAD, bytes(4))): time.sleep(0.01)\n"
    wait = f"open({str(tmp_path / 'done')!r}, 'w')\nwhile not os.path.exists('go'): time.sleep(0.01)\n"
    guarded = Shims(small_disk).start(flood + wait + "print('after')")
    deadline = time.monotonic() + 20
    while not (tmp_path / "done").exists():
        assert time.monotonic() < deadline, "the full disk blocked the engine"
        time.sleep(0.01)
    assert os.statvfs(small_disk).f_bavail == 0
    for log in guarded.run.log_dir.iterdir():
        os.truncate(log, 0)
    (guarded.run.path / "go").touch()
    assert guarded.ended().code == 0
    text = "".join(path.read_text() for path in sorted(guarded.run.log_dir.iterdir()))
    assert "bytes of this log were lost" in text
    assert "after" in text


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_an_end_is_written_down_although_the_disk_is_full(small_disk: Path) -> None:
    guarded = Shims(small_disk).start("import os\nfor n in range(3000): os.write(1, b'x' * 99 + b'\\n')\nos._exit(7)")
    assert guarded.ended().code == 7
    assert os.statvfs(small_disk).f_bavail == 0


def test_the_record_names_both_processes(shims: Shims) -> None:
    guarded = shims.start("import time; time.sleep(1000)")
    record = json.loads(guarded.run.run_file.read_text())
    assert record["shim_pid"] == guarded.shim.pid
    assert os.getpgid(record["pid"]) == record["pid"]
    assert os.getsid(record["pid"]) == guarded.shim.pid
    for pid, ticks in ((record["pid"], record["start_ticks"]), (guarded.shim.pid, record["shim_start_ticks"])):
        assert TABLE.start_ticks(pid) == ticks
        assert TABLE.cookie_of(pid) == COOKIE
    assert guarded.run.run_file.stat().st_mode & 0o777 == 0o600
    with contextlib.suppress(ProcessLookupError):
        guarded.shim.terminate()
    assert guarded.ended().signal == signal.SIGTERM


def test_a_fenced_engine_ends_without_any_agent_when_the_scheduler_was_not_heard(shims: Shims) -> None:
    guarded = shims.start("import time; time.sleep(60)", fence_s=0.5)

    ended = guarded.ended()

    assert (ended.signal, ended.was_asked) == (signal.SIGKILL, False)
    assert "the scheduler has not been heard for 0.5 s" in guarded.log()


def test_a_fenced_engine_goes_on_while_contact_is_noted(shims: Shims) -> None:
    in_a_minute = time.clock_gettime(time.CLOCK_BOOTTIME) + 60
    (shims.path / "contact").write_text(f"{in_a_minute:.3f}\n")
    guarded = shims.start("import time; time.sleep(2.5); print('done')", fence_s=0.5)

    assert guarded.ended().code == 0
