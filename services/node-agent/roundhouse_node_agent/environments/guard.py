"""The guard of one installation: runs its steps one after the other and ends with the agent. Standard library only.

Run as `python -I -S guard.py` in a session of its own, with a JSON order on the first line of standard input:

    steps                 each with `name`, `argv`, `env` (the whole environment) and `within_s`
    log_file              where everything is written that the steps say
    silence_s             a step that neither says, writes nor computes anything for so long is killed

It answers in lines of JSON on standard output: {"step": ...} when one begins, {"line": ...} for what it says, and at
the end {"done": true} or {"failed": step, "why": ..., "code": ...}. When standard input ends, whoever ordered it is
gone or wants no more of it: then, and at SIGTERM, everything that it started is killed, and it ends with code 3.
"""

import contextlib
import ctypes
import json
import os
import re
import select
import signal
import subprocess
import sys
import time

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_LOOK_S = 1.0
_READ_BYTES = 65536
_LONGEST_LINE = 4000
_GIVEN_UP = 3
_SECRET = re.compile(rb"(://)[^/@\s:]*:[^/@\s]*@")


class GivenUp(Exception):
    """Nobody wants the installation any more."""


class StepFailed(Exception):
    """A step ended with an error, or was killed; `code` is None when it was killed."""

    def __init__(self, why: str, code: int | None = None) -> None:
        super().__init__(why)
        self.code = code


def main() -> int:
    """Run the order; return 0 when every step succeeded."""
    order = json.loads(_first_line())
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGTERM, _on_sigterm)
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(ignored, signal.SIG_IGN)
    name = ""
    try:
        with open(order["log_file"], "ab", buffering=0) as log:
            for step in order["steps"]:
                name = step["name"]
                _tell({"step": name})
                _Step(step, order["silence_s"], log).run()
    except GivenUp:
        return _GIVEN_UP
    except StepFailed as error:
        _tell({"failed": name, "why": str(error), "code": error.code})
        return 1
    except OSError as error:
        _tell({"failed": name, "why": f"the log cannot be written: {error.strerror}", "code": None})
        return 1
    _tell({"done": True})
    return 0


class _Step:
    """One command, in a group of its own."""

    def __init__(self, step: dict, silence_s: float, log) -> None:  # type: ignore[no-untyped-def,type-arg] # JSON
        self._step = step
        self._silence_s = silence_s
        self._log = log
        self._rest = b""

    def run(self) -> None:
        """Return when it succeeded. Raises StepFailed or GivenUp; nothing of it runs then."""
        shown = " ".join("..." if "\n" in word else word for word in self._step["argv"])
        self._write(f"[roundhouse] {self._step['name']}: {shown}\n".encode())
        try:
            process = subprocess.Popen(
                self._step["argv"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=self._step["env"],
                cwd="/",
                process_group=0,
                preexec_fn=_die_with_parent,
            )
        except OSError as error:
            raise StepFailed(f"{self._step['argv'][0]} cannot be run: {error.strerror}") from error
        try:
            self._follow(process)
        finally:
            self._kill(process)
        if process.returncode != 0:
            raise StepFailed(f"it ended with code {process.returncode}", process.returncode)

    def _follow(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdout is not None
        output = process.stdout.fileno()
        os.set_blocking(output, False)
        deadline = time.monotonic() + self._step["within_s"]
        moved_at, work = time.monotonic(), -1
        while process.poll() is None:
            readable, _, _ = select.select([0, output], [], [], _LOOK_S)
            if 0 in readable and not os.read(0, _READ_BYTES):
                raise GivenUp
            if output in readable and self._pump(output):
                moved_at = time.monotonic()
            now = time.monotonic()
            done = _work_of(process.pid)
            if done != work:
                moved_at, work = now, done
            if now - moved_at > self._silence_s:
                raise StepFailed(f"nothing happened for {self._silence_s:g} s, so it was ended")
            if now > deadline:
                raise StepFailed(f"it was not done within {self._step['within_s']:g} s, so it was ended")
        while self._pump(output):
            pass
        if self._rest:
            self._say(self._rest)

    def _pump(self, output: int) -> bool:
        """Move what is there into the log, and tell its whole lines; return whether there was anything."""
        try:
            data = os.read(output, _READ_BYTES)
        except BlockingIOError:
            return False
        if not data:
            time.sleep(0.01)  # it has closed its output and runs on
            return False
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            lines, self._rest = [*lines, self._rest], b""
        for line in lines:
            self._say(line)
        return True

    def _say(self, line: bytes) -> None:
        shown = _SECRET.sub(rb"\1***@", line.rpartition(b"\r")[2])
        self._write(shown + b"\n")
        _tell({"line": shown.decode("utf-8", "replace")[:_LONGEST_LINE]})

    def _write(self, data: bytes) -> None:
        with contextlib.suppress(OSError):  # a full disk fails the step itself, which says so
            self._log.write(data)

    def _kill(self, process: "subprocess.Popen[bytes]") -> None:
        """End whatever the step started, also what left its group: it comes to us, the subreaper."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for _ in range(1000):
            left = _children(os.getpid())
            if not left:
                break
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(-1, 0)
        assert process.stdout is not None
        process.stdout.close()


def _first_line() -> bytes:
    """Read no further than the line: the rest of standard input is watched for its end."""
    line = b""
    while not line.endswith(b"\n"):
        data = os.read(0, 1)
        if not data:
            sys.exit(_GIVEN_UP)
        line += data
    return line


def _on_sigterm(_number: int, _frame: object) -> None:
    raise GivenUp


def _die_with_parent() -> None:
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _tell(message: dict) -> None:  # type: ignore[type-arg] # JSON
    with contextlib.suppress(OSError):
        os.write(1, json.dumps(message).encode() + b"\n")


def _children(pid: int) -> list[int]:
    found = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                found += [int(word) for word in file.read().split()]
    return found


def _work_of(pid: int) -> int:
    """Return a number that grows while a process or one below it writes or computes."""
    total = 0
    with contextlib.suppress(OSError, ValueError, IndexError):
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        total += int(fields[11]) + int(fields[12])
    with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{pid}/io", encoding="ascii") as file:
        total += sum(int(line.split()[1]) for line in file if line.startswith("wchar"))
    return total + sum(_work_of(child) for child in _children(pid))


if __name__ == "__main__":
    sys.exit(main())
