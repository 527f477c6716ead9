"""Vendors' commands are run, and never waited for, read, or left behind without end. Real child processes."""

import sys
from pathlib import Path

import psutil
import pytest

from roundhouse_common.runtime import SystemClock
from roundhouse_node_agent.devices.commands import Answer, Commands
from tests.support.eventually import eventually


def commands(tmp_path: Path, *, timeout_s: float = 20.0, max_bytes: int = 10_000) -> Commands:
    return Commands(SystemClock(), timeout_s=timeout_s, max_bytes=max_bytes, search_path=str(tmp_path / "path"))


def tool(directory: Path, body: str, *, name: str = "acme-smi") -> str:
    """Write a program in Python that stands in for a vendor's."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    path.write_text(f"#!{sys.executable} -IS\nimport os, signal, subprocess, sys, time\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_what_it_says_is_returned_and_it_speaks_no_other_language(tmp_path: Path) -> None:
    body = "print(os.environ['LC_ALL'], os.environ['LD_LIBRARY_PATH'].split(':')[-1], os.getcwd(), sys.argv[1:])"
    path = tool(tmp_path, body)
    answer = commands(tmp_path).run([path, "-L", "$HOME;x"], libraries=("/opt/acme/lib",))
    assert answer == Answer(text="C /opt/acme/lib / ['-L', '$HOME;x']\n")


def test_a_failure_keeps_what_was_said_and_the_last_words(tmp_path: Path) -> None:
    path = tool(tmp_path, "print('card 0'); print('no rights\\n', file=sys.stderr); sys.exit(3)")
    answer = commands(tmp_path).run([path])
    assert answer == Answer(text="card 0\n", error="acme-smi ended with code 3: no rights")


def test_a_crash_is_named_by_its_signal(tmp_path: Path) -> None:
    path = tool(tmp_path, "os.kill(os.getpid(), signal.SIGSEGV)")
    assert commands(tmp_path).run([path]).error == "acme-smi ended with SIGSEGV: it said nothing"


async def test_one_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    body = "child = subprocess.Popen(['sleep', '600']); print(os.getpid(), child.pid, flush=True); time.sleep(600)"
    answer = commands(tmp_path, timeout_s=1.0).run([tool(tmp_path, body)])
    assert answer.error == "acme-smi gave no answer in 1 s"
    assert [await is_gone(int(pid)) for pid in answer.text.split()] == [True, True]


async def test_one_that_ignores_signals_is_ended_too(tmp_path: Path) -> None:
    body = "signal.signal(signal.SIGTERM, signal.SIG_IGN); print(os.getpid(), flush=True); time.sleep(600)"
    answer = commands(tmp_path, timeout_s=1.0).run([tool(tmp_path, body)])
    assert await is_gone(int(answer.text))


async def test_one_that_spews_is_stopped_and_not_believed(tmp_path: Path) -> None:
    body = "print(os.getpid(), file=open(sys.argv[1], 'w'))\nwhile True: print('x' * 4096)"
    answer = commands(tmp_path).run([tool(tmp_path, body), str(tmp_path / "pid")])
    assert answer == Answer(error="acme-smi said more than 10000 bytes")
    assert await is_gone(int((tmp_path / "pid").read_text()))


async def test_a_child_that_keeps_its_output_open_is_not_waited_for(tmp_path: Path) -> None:
    body = "child = subprocess.Popen(['sleep', '600']); print(child.pid)"
    answer = commands(tmp_path, timeout_s=60.0).run([tool(tmp_path, body)])
    assert answer.error == ""
    assert await is_gone(int(answer.text))


def test_a_child_in_a_session_of_its_own_costs_no_more_than_the_deadline(tmp_path: Path) -> None:
    body = "child = subprocess.Popen(['sleep', '600'], start_new_session=True); print(child.pid, flush=True)"
    answer = commands(tmp_path, timeout_s=60.0).run([tool(tmp_path, body)])
    child = psutil.Process(int(answer.text))
    child.kill()
    assert answer.error == ""


def test_one_that_cannot_be_run_is_an_answer(tmp_path: Path) -> None:
    assert "acme-smi cannot be run" in commands(tmp_path).run([str(tmp_path / "acme-smi")]).error


def test_the_path_is_searched_before_the_vendors_directories(tmp_path: Path) -> None:
    found = commands(tmp_path)
    places = (str(tmp_path / "opt"),)
    assert found.find(("acme-smi", "acme"), places) is None
    vendors = tool(tmp_path / "opt", "", name="acme")
    assert found.find(("acme-smi", "acme"), places) == vendors
    own = tool(tmp_path / "path", "", name="acme")
    assert found.find(("acme-smi", "acme"), places) == own


@pytest.mark.parametrize("text", [b"\xff\xfe card", b"\x00"])
def test_bytes_that_are_no_text_do_not_fail(tmp_path: Path, text: bytes) -> None:
    path = tool(tmp_path, f"sys.stdout.buffer.write({text!r})")
    assert commands(tmp_path).run([path]).text == text.decode("utf-8", "replace")


async def is_gone(pid: int) -> bool:
    """Wait until a process has ended; whether its parent has taken notice does not matter."""

    def has_ended() -> bool:
        try:
            return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    return await eventually(has_ended)
