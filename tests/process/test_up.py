"""How `up` starts, resumes, fails and ends: on a Roundhouse of its own, so that it may be broken."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.process.platform import DEMO, ROOT, Platform, free_base_port, until

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Platform]:
    """A Roundhouse that has not been started; stopped afterwards whatever happened."""
    made = Platform(tmp_path / "data", free_base_port(), has_console=True)
    yield made
    made.down()
    assert list(made.processes()) == []


def supervisor_pid(platform: Platform) -> int:
    pid: int = json.loads((platform.data_dir / "run" / "supervisor.json").read_text())["pid"]
    return pid


@pytest.mark.contract("A16")
async def test_ctrl_c_stops_everything_that_the_foreground_started(own: Platform) -> None:
    command = [sys.executable, "-m", "roundhouse_cli", "up", "--no-demo", "--data-dir", str(own.data_dir)]
    started = subprocess.Popen(
        [*command, "--base-port", str(own.base_port)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs the tests in the background makes them ignore Ctrl-C, and their children with them.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert started.stdout is not None
    printed = iter(started.stdout.readline, "")
    assert any("curl" in line for line in printed)
    tree = psutil.Process(started.pid).children(recursive=True)
    assert len(tree) >= 7

    started.send_signal(signal.SIGINT)

    _, said = started.communicate(timeout=60)
    assert started.returncode == 0, said
    # Its parent gone, what has ended may still wait as a zombie for the system to take note.
    assert not [item for item in tree if item.is_running() and item.status() != psutil.STATUS_ZOMBIE]


def test_a_service_that_cannot_start_is_named_with_its_last_words_and_nothing_stays(own: Platform) -> None:
    (own.data_dir / "metering").mkdir(parents=True)
    (own.data_dir / "metering" / "metering.db").write_text("this is no database")

    failed = own.try_command(
        "up", "--detach", "--no-demo", "--data-dir", str(own.data_dir), "--base-port", str(own.base_port)
    )

    assert failed.returncode == 1
    assert "roundhouse: metering did not become ready" in failed.stderr
    assert "metering.log" in failed.stderr
    assert list(own.processes()) == []


@pytest.mark.contract("A12", "A14")
async def test_engines_survive_a_killed_supervisor_and_are_adopted_by_the_next(own: Platform) -> None:
    own.up()
    engines = own.engine_pids()
    assert len(engines) == 1

    os.kill(supervisor_pid(own), signal.SIGKILL)
    own.up()

    await until(lambda: own.engine_pids() == engines, within_s=30, what="the same engine is adopted")
    own.down()
    assert list(own.processes()) == []


async def test_what_the_user_removed_is_not_made_again_and_a_revoked_key_is_replaced(own: Platform) -> None:
    own.up()
    first = own.connection["api_key"]
    own.command("deployments", "stop", DEMO)
    own.command("deployments", "rm", DEMO)
    own.command("keys", "revoke", "first key")
    own.down()

    printed = own.up()

    assert own.json("deployments", "ls") == []
    assert own.connection["api_key"] != first
    assert own.connection["api_key"] in printed
    assert "/v1/models" in printed
