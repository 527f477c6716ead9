"""The guard of an installation: real processes that say, hang, compute and leave children behind."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from roundhouse_node_agent.environments import guard, installer
from roundhouse_node_agent.environments.installer import Installer, NotInstalled
from roundhouse_node_agent.environments.plan import Step
from tests.support.eventually import eventually

pytestmark = pytest.mark.timeout(60)
LOST_CHILD = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open(sys.argv[1], "w").write(str(os.getpid()))
        time.sleep(600)
    os._exit(0)
time.sleep(600)
"""


def a_step(code: str, *arguments: str, name: str = "a step", within_s: float = 30.0) -> Step:
    argv = (sys.executable, "-I", "-u", "-c", code, *arguments)
    return Step(name=name, argv=argv, env={"PATH": os.defpath}, within_s=within_s)


async def run(log: Path, *steps: Step, silence_s: float = 30.0) -> tuple[tuple[str, ...], list[str]]:
    heard: list[str] = []
    said = await Installer(silence_s=silence_s).run(steps, log, heard.append)
    return said, heard


async def test_steps_run_in_turn_and_everything_is_logged(tmp_path: Path) -> None:
    log = tmp_path / "log"
    resolved = a_step("print('Resolved 2 packages in 3s')", name="first")

    said, heard = await run(log, resolved, a_step("print('1.2.3')", name="second"))

    assert heard == ["first", "fetching 2 packages", "second"]
    assert said == ("1.2.3",)
    assert "Resolved 2 packages" in log.read_text()
    assert "[roundhouse] second: " in log.read_text()


async def test_a_step_that_fails_is_told_with_its_last_words(tmp_path: Path) -> None:
    failing = a_step("import sys; print('error: no such thing'); sys.exit(7)", name="fetching")
    with pytest.raises(NotInstalled) as failed:
        await run(tmp_path / "log", failing, a_step("open('/never')"))
    assert "fetching failed: it ended with code 7; it said: error: no such thing" in failed.value.detail
    assert failed.value.lines == ("error: no such thing",)


async def test_a_command_that_is_not_there_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(NotInstalled, match="/no/uv cannot be run"):
        await run(tmp_path / "log", Step(name="x", argv=("/no/uv",), env={}, within_s=5.0))


async def test_silence_without_work_ends_a_step(tmp_path: Path) -> None:
    with pytest.raises(NotInstalled, match=r"nothing happened for 1\.5 s"):
        await run(tmp_path / "log", a_step("import time; time.sleep(600)"), silence_s=1.5)


async def test_work_in_silence_goes_on(tmp_path: Path) -> None:
    computing = "import time\nend = time.monotonic() + 3\nwhile time.monotonic() < end: pass\nprint('done')"
    said, _ = await run(tmp_path / "log", a_step(computing), silence_s=1.5)
    assert said == ("done",)


async def test_a_step_has_a_deadline_however_busy_it_is(tmp_path: Path) -> None:
    with pytest.raises(NotInstalled, match="not done within 1 s"):
        await run(tmp_path / "log", a_step("while True: pass", within_s=1.0))


async def test_credentials_in_addresses_are_not_logged(tmp_path: Path) -> None:
    log = tmp_path / "log"
    said, _ = await run(log, a_step("print('from https://me:secret@index/simple, ' + 'https://index/simple')"))
    assert "secret" not in log.read_text().partition("\n")[2]
    assert said == ("from https://***@index/simple, https://index/simple",)


async def test_giving_up_ends_everything_also_what_left_its_group(tmp_path: Path) -> None:
    child = tmp_path / "child"
    task = asyncio.create_task(run(tmp_path / "log", a_step(LOST_CHILD, str(child))))
    await eventually(lambda: child.exists() and child.read_text(), within_s=20)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await eventually(lambda: not is_running(int(child.read_text())))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_a_guard_that_is_ended_from_outside_takes_its_step_with_it(tmp_path: Path, number: int) -> None:
    child = tmp_path / "child"
    writing = "import os, sys, time; open(sys.argv[1], 'w').write(f'{os.getppid()} {os.getpid()}'); time.sleep(600)"
    task = asyncio.create_task(run(tmp_path / "log", a_step(writing, str(child))))
    await eventually(lambda: child.exists() and " " in child.read_text(), within_s=20)
    guard_pid, step_pid = map(int, child.read_text().split())

    os.kill(guard_pid, number)

    with pytest.raises(NotInstalled, match="ended from outside"):
        await task
    await eventually(lambda: not is_running(step_pid))


def test_a_guard_ends_with_whoever_started_it(tmp_path: Path) -> None:
    """As when the agent is killed: nobody closes anything, the kernel does."""
    child = tmp_path / "child"
    order = {"steps": [a_step(LOST_CHILD, str(child))], "log_file": str(tmp_path / "log"), "silence_s": 30.0}
    starter = (
        "import subprocess, sys, time\n"
        "guard = [sys.executable, '-I', '-S', sys.argv[1]]\n"
        "p = subprocess.Popen(guard, stdin=subprocess.PIPE, start_new_session=True)\n"
        "p.stdin.write(sys.argv[2].encode() + b'\\n'); p.stdin.flush(); print(p.pid, flush=True); time.sleep(600)\n"
    )
    argv = [sys.executable, "-c", starter, str(guard.__file__), msgspec.json.encode(order).decode()]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as agent:
        assert agent.stdout is not None
        guard_pid = int(agent.stdout.readline())
        asyncio.run(eventually(lambda: child.exists() and child.read_text(), within_s=20))
        agent.kill()
    asyncio.run(eventually(lambda: not is_running(guard_pid)))
    asyncio.run(eventually(lambda: not is_running(int(child.read_text()))))


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def test_the_guard_needs_nothing_but_the_standard_library() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(installer.__file__).replace("installer", "guard")],
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 3
