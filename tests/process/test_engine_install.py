"""Engines as a user has them installed, by the real command, while agents die."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.process.platform import Platform, until

pytestmark = [pytest.mark.process, pytest.mark.timeout(180)]
INSTALLED = "llama.cpp"


@pytest.fixture
def ordered(platform: Platform) -> Iterator[Platform]:
    platform.command("engines", "install", INSTALLED, "--all", "--detach")
    yield platform
    platform.try_command("engines", "rm", INSTALLED)


def the_engine(platform: Platform) -> dict[str, Any]:
    listed = platform.ask(lambda services: services.scheduler.items("/api/v1/engines", engine=INSTALLED))
    found = [one for one in listed if one["method"] == "environment"]
    return found[0] if found else {"state": "unknown", "detail": ""}


def at_work(platform: Platform) -> list[psutil.Process]:
    """Return the processes that install into this platform's engines."""
    place = str(Path(platform.data_dir, "node-agent", "engines"))
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            command = process.cmdline()
            if any("uv" in Path(word).name for word in command[:1]) and any(place in word for word in command):
                found.append(process)
    return found


@pytest.mark.contract("A04", "B02")
async def test_an_agent_that_is_killed_in_mid_installation_leaves_nothing_running_and_goes_on(
    ordered: Platform,
) -> None:
    seen: list[psutil.Process] = []

    def is_at_work() -> bool:
        seen[:] = at_work(ordered)
        return bool(seen)

    await until(is_at_work, within_s=60, what="uv at work")

    await ordered.kill("node-agent")

    await until(lambda: not any(process.is_running() for process in seen), within_s=20, what="its uv gone")
    await until(lambda: the_engine(ordered)["state"] == "ready", within_s=120, what="the engine installed")
    name = the_engine(ordered)["environment_id"]
    log = ordered.command("engines", "logs", name)
    assert log.count("making the environment") >= 2, "it begins again"
    assert "+ xllamacpp==" in log

    ordered.command("engines", "rm", INSTALLED)
    await until(lambda: the_engine(ordered)["state"] == "unknown", within_s=60, what="the engine removed")
    assert not Path(ordered.data_dir, "node-agent", "engines", name).exists()
