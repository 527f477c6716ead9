"""A build by the real Cython: the router's own tests pass with it, and all workers run it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from roundhouse_router import compiled
from tests.support.eventually import eventually
from tests.support.redis_server import RedisServer
from tests.support.router_process import RouterProcess
from tests.support.tiny_extensions import this_compiler

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(3600)]

ROOT = Path(__file__).parents[3]
TESTS = ("tests/unit/router", "tests/component/router")


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    this_compiler()
    directory = tmp_path_factory.mktemp("build")
    subprocess.run([ROOT / "scripts" / "compile", "--into", str(directory)], check=True)
    return directory


def test_the_routers_tests_pass_with_a_build(build: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-m", "not slow", "-q", "-n", "2", *TESTS]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    tests = subprocess.run(
        command,
        cwd=ROOT,
        env={**environment, "ROUNDHOUSE_TEST_COMPILED": str(build)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert tests.returncode == 0, tests.stdout[-20_000:]


async def test_every_worker_runs_the_build_and_says_so(build: Path, tmp_path: Path, redis_server: RedisServer) -> None:
    async with RouterProcess(
        tmp_path / "state",
        compiled="required",
        compiled_dir=str(build),
        workers="2",
        redis_url=redis_server.url,
    ) as router:

        async def all_run_it() -> bool:
            async with router.session.get("/metrics") as answer:
                lines = (await answer.text()).splitlines()
            told = {line for line in lines if line.startswith("roundhouse_router_compiled{")}
            return told == {f'roundhouse_router_compiled{{worker="{worker}"}} 1.0' for worker in range(2)}

        await eventually(all_run_it, within_s=30.0)


@pytest.mark.parametrize(
    ("program", "error"),
    [
        ("from roundhouse_router.api.relay import Pump\nPump.__new__(Pump).start([])", "AttributeError"),
        (
            "from roundhouse_router.domain.limits.rules import SECOND\n"
            "from roundhouse_router.domain.limits.windows import WindowCounter\n"
            "counter = WindowCounter(SECOND, 1)\n"
            "[counter.charge(2**62, 0) for _ in range(3)]",
            "OverflowError",
        ),
    ],
)
def test_what_is_a_mistake_in_python_is_an_exception_in_a_build(build: Path, program: str, error: str) -> None:
    """Not a crash of the router, and not a wrong number: Cython's own defaults are both."""
    ended = subprocess.run(
        [sys.executable, "-c", f"import roundhouse_router.starting\n{program}"],
        env={**os.environ, "ROUNDHOUSE_ROUTER_COMPILED": "required", "ROUNDHOUSE_ROUTER_COMPILED_DIR": str(build)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1, f"ended with {ended.returncode}: {ended.stderr}"
    assert ended.stderr.splitlines()[-1].startswith(error)


def test_a_traceback_names_the_lines_of_the_source(build: Path) -> None:
    """What an operator reads in the log of a fault is the same as without a build."""
    program = (
        "import traceback, roundhouse_router.starting\n"
        "from roundhouse_router.domain.request import parse\n"
        "try:\n    parse(None, None)\n"
        "except TypeError:\n    traceback.print_exc()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "ROUNDHOUSE_ROUTER_COMPILED": "required", "ROUNDHOUSE_ROUTER_COMPILED_DIR": str(build)},
        capture_output=True,
        text=True,
        check=False,
    )
    source = (compiled.PACKAGE / "domain" / "request.py").read_text().splitlines()
    *_, place = ended.stderr.split('File "roundhouse_router/domain/request.py", line ')
    number, shown = int(place.partition(",")[0]), place.splitlines()[1].strip()
    assert shown == source[number - 1].strip()
    assert "decode" in shown
