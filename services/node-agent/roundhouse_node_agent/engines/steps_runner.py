"""Runs a server and then tells it what to load. Standard library only.

    python steps_runner.py PLAN.json

The plan: {"serve": [argv], "alive": URL, "alive_within_s": S, "steps": [...]}. A step is {"run": [argv]} or
{"post": URL, "body": {...}, "within_s": S}. A step that fails ends the server, and the exit code is 4; otherwise the
server's own. SIGTERM and SIGINT are passed on. The plan has no secrets.
"""

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final

STEP_FAILED: Final = 4
_GRACE_S: Final = 20.0
_POLL_S: Final = 0.2
_ERROR_CHARACTERS: Final = 2000

# The server is on this host: what the environment says of proxies is not for it.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class StepFailed(Exception):
    """What went wrong, in one line."""


def main(arguments: list[str]) -> int:
    """Serve until told to stop, or until the server ends; return the exit code."""
    plan = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    server = subprocess.Popen(plan["serve"])
    told: list[int] = []

    def stop(number: int, _frame: object) -> None:
        told.append(number)
        server.send_signal(signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        _wait_until_alive(server, plan["alive"], float(plan["alive_within_s"]))
        for step in plan["steps"]:
            _do(step)
        _say("every step is done")
    except StepFailed as error:
        if not told:
            _say(f"ERROR: {error}")
        _end(server)
        return 0 if told else STEP_FAILED
    code = server.wait()
    return 0 if told else code if code >= 0 else 128 - code


def _wait_until_alive(server: "subprocess.Popen[bytes]", url: str, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    said = ""
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise StepFailed(f"the server ended with code {server.returncode} before it answered")
        try:
            with _opener.open(url, timeout=5.0):
                return
        except (urllib.error.URLError, OSError) as error:
            said = str(error)
        time.sleep(_POLL_S)
    raise StepFailed(f"the server did not answer at {url} in {within_s:.0f} s: {said}")


def _do(step: dict[str, Any]) -> None:  # Any: values of JSON
    if "run" in step:
        done = subprocess.run(step["run"], stdin=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            raise StepFailed(f"{' '.join(step['run'][:2])} ended with code {done.returncode}")
        return
    data = json.dumps(step["body"]).encode()
    request = urllib.request.Request(step["post"], data=data, headers={"Content-Type": "application/json"})
    try:
        with _opener.open(request, timeout=float(step["within_s"])) as response:
            response.read()
    except urllib.error.HTTPError as error:
        said = error.read().decode("utf-8", "replace")[:_ERROR_CHARACTERS]
        raise StepFailed(f"{step['post']} answered {error.code}: {said}") from error
    except (urllib.error.URLError, OSError) as error:
        raise StepFailed(f"{step['post']} did not answer: {error}") from error


def _end(server: "subprocess.Popen[bytes]") -> None:
    server.terminate()
    try:
        server.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _say(text: str) -> None:
    sys.stdout.write(f"[runner] {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
