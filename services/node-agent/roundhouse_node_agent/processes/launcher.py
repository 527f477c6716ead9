"""Starting a shim and hearing whether it could start its engine. Blocking; called in a thread."""

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from roundhouse_node_agent.domain.errors import LaunchFailed
from roundhouse_node_agent.processes.identity import COOKIE_VARIABLE
from roundhouse_node_agent.processes.records import RunDirectory

__all__ = ["ShimOrder", "start_shim"]

_SHIM = Path(__file__).with_name("shim.py")
_ANSWER_TIMEOUT_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShimOrder:
    """What the shim is told; see `shim.py`."""

    argv: Sequence[str]
    env: Mapping[str, str]
    segment_bytes: int
    segments: int
    grace_s: float
    cookie: str
    attempt: int
    contact_file: str = ""
    fence_s: float = 0.0


def start_shim(run: RunDirectory, order: ShimOrder) -> subprocess.Popen[bytes]:
    """Return the shim once its engine's process exists. Raises LaunchFailed, and then nothing is left running."""
    text = msgspec.json.encode(
        {
            "argv": list(order.argv),
            "env": {**order.env, COOKIE_VARIABLE: order.cookie},
            "cwd": str(run.path),
            "log_dir": str(run.log_dir),
            "segment_bytes": order.segment_bytes,
            "segments": order.segments,
            "grace_s": order.grace_s,
            "contact_file": order.contact_file,
            "fence_s": order.fence_s,
            "identity": {"cookie": order.cookie, "attempt": order.attempt},
        }
    )
    environment = {COOKIE_VARIABLE: order.cookie, "PATH": os.environ.get("PATH", os.defpath)}
    try:
        with (run.path / "shim.err").open("wb") as errors:
            shim = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_SHIM), str(run.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                cwd="/",
                start_new_session=True,
            )
    except OSError as error:
        raise LaunchFailed(f"the engine's guard could not be started: {error}") from error
    answer = _converse(shim, text)
    if answer == "ok":
        return shim
    _end(shim)
    said = answer.removeprefix("error ") or _last_line(run.path / "shim.err") or "it said nothing"
    raise LaunchFailed(f"the engine could not be started: {said}")


def _converse(shim: "subprocess.Popen[bytes]", text: bytes) -> str:
    assert shim.stdin is not None
    assert shim.stdout is not None
    with contextlib.suppress(BrokenPipeError), shim.stdin:
        shim.stdin.write(text)
    with shim.stdout:
        readable, _, _ = select.select([shim.stdout], [], [], _ANSWER_TIMEOUT_S)
        if not readable:
            return f"error no answer from its guard in {_ANSWER_TIMEOUT_S:g} s"
        return shim.stdout.readline().decode("utf-8", "replace").strip()


def _end(shim: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
        shim.wait(1.0)
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(shim.pid, signal.SIGKILL)
    shim.wait()


def _last_line(path: Path) -> str:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1] if lines else ""
