"""What runs is visible: whether the hot path is compiled stands in the log and in the metrics of a real router."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from roundhouse_common.service.settings import EXIT_BAD_SETTINGS
from roundhouse_router import compiled
from tests.support.router_process import RouterProcess
from tests.support.running_router import RunningRouter


def write_manifest(directory: Path) -> Path:
    """Write that of a build for a Python that is not this one."""
    manifest = {"suffix": ".cpython-310-musl.so", "cython": "3", "folder": "build-1", "modules": {}}
    (directory / compiled.MANIFEST).write_text(json.dumps(manifest))
    return directory


def told(router: RouterProcess) -> dict[str, object]:
    """Return what the router logged of it at its start."""
    lines = map(json.loads, (router.state_dir / "router.log").read_text().splitlines())
    (line,) = [line for line in lines if line["event"] == "hot_path_chosen"]
    return {name: line[name] for name in ("compiled", "reason", "level")}


async def test_metrics_say_what_runs(router: RunningRouter) -> None:
    async with router.session.get("/metrics") as answer:
        figure = int(compiled.verdict().is_compiled)
        assert f"roundhouse_router_compiled {figure}.0\n" in await answer.text()


async def test_a_build_that_does_not_fit_is_left_aside_with_a_warning(tmp_path: Path) -> None:
    directory = write_manifest(tmp_path)
    async with RouterProcess(tmp_path / "state", compiled="auto", compiled_dir=str(directory)) as router:
        line = told(router)
        assert (line["compiled"], line["level"]) == (False, "warning")
        assert "made for another Python: extensions end in .cpython-310-musl.so" in str(line["reason"])
        async with router.session.get("/metrics") as answer:
            assert "roundhouse_router_compiled 0.0\n" in await answer.text()


async def test_that_there_is_no_build_is_no_warning(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    async with RouterProcess(tmp_path / "state", compiled="auto", compiled_dir=str(nowhere)) as router:
        assert told(router) == {"compiled": False, "reason": f"there is no build in {nowhere}", "level": "info"}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"COMPILED": "required"}, "made for another Python"),
        ({"COMPILED": "of course"}, "ROUNDHOUSE_ROUTER_COMPILED: Input should be 'auto', 'off' or 'required'"),
    ],
)
def test_what_cannot_be_had_or_understood_ends_the_start_as_a_bad_setting(
    tmp_path: Path, settings: dict[str, str], words: str
) -> None:
    own = {"COMPILED_DIR": str(write_manifest(tmp_path)), "STATE_DIR": str(tmp_path / "state"), **settings}
    ended = subprocess.run(
        [sys.executable, "-m", "roundhouse_router"],
        env={**os.environ, **{f"ROUNDHOUSE_ROUTER_{name}": value for name, value in own.items()}},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == EXIT_BAD_SETTINGS
    assert ended.stderr.count("\n") == 1
    assert words in ended.stderr
