"""The llama.cpp runner on its own: arguments, SIGTERM, exit codes."""

import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from roundhouse_node_agent.engines import xllamacpp_runner as runner
from tests.support.ports import free_port
from tests.support.scheduler_stub import SMOLLM2

pytestmark = pytest.mark.timeout(60)


def command(*extra: str, model: Path | str = SMOLLM2, port: int = 0) -> list[str]:
    base = [sys.executable, "-I", "-u", runner.__file__, "--model", str(model), "--alias", "smol"]
    return [*base, "--port", str(port or free_port()), "--parallel", "1", "--context", "256", *extra]


def ended(*extra: str, model: Path | str = SMOLLM2, port: int = 0) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command(*extra, model=model, port=port), capture_output=True, text=True, timeout=30)


@pytest.mark.parametrize(
    "arguments", [("--no-such",), ("--parallel", "0"), ("--pooling", "max"), ("--chat-template-file", "/no/such")]
)
def test_bad_arguments_are_code_2(arguments: tuple[str, ...]) -> None:
    assert ended(*arguments).returncode == 2


def test_a_missing_model_is_code_3() -> None:
    done = ended(model="/no/such.gguf")
    assert (done.returncode, done.stdout) == (3, "[runner] model file /no/such.gguf is not there\n")


def test_a_damaged_model_is_code_4_and_llama_cpp_says_why(tmp_path: Path) -> None:
    (tmp_path / "bad.gguf").write_bytes(b"GGUF\x03\0\0\0" + bytes(100))  # what is no GGUF, the runner tells itself
    done = ended(model=tmp_path / "bad.gguf")
    assert done.returncode == 4
    assert "cannot be loaded" in done.stdout
    assert done.stderr != ""


def test_a_port_in_use_is_code_5() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert ended(port=taken.getsockname()[1]).returncode == 5


def test_an_interpreter_without_xllamacpp_is_code_6(tmp_path: Path) -> None:
    bare = [sys.executable, "-I", "-S", *command()[3:]]
    assert subprocess.run(bare, capture_output=True, text=True, timeout=30).returncode == 6


@pytest.fixture
def server() -> Iterator[tuple["subprocess.Popen[str]", str]]:
    port = free_port()
    process = subprocess.Popen(command(port=port), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    yield process, f"http://127.0.0.1:{port}"
    process.kill()
    process.wait()


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=20) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def test_sigterm_ends_a_serving_engine_with_code_0(server: tuple["subprocess.Popen[str]", str]) -> None:
    process, url = server
    deadline = time.monotonic() + 20
    while status(f"{url}/health") != 200:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=10)
    assert process.returncode == 0
    assert [line.split()[1] for line in out.splitlines()] == ["loading", "ready", "SIGTERM:", "stopped"]


def test_sigterm_ends_a_loading_engine_with_code_0(server: tuple["subprocess.Popen[str]", str]) -> None:
    process, _ = server
    assert process.stdout is not None
    assert process.stdout.readline().startswith("[runner] loading")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 0
