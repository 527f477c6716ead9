"""The guard of one engine process: starts it, keeps its log, records how it ended. Standard library only.

Run as `python -I -S shim.py DIRECTORY` in a session of its own, with a JSON order on standard input:

    argv, env, cwd        what to run; `env` is the whole environment
    log_dir               where the replica's log segments are; the log goes on where it ended
    segment_bytes, segments   size of one segment and how many are kept
    grace_s               how long after SIGTERM the engine's group is killed
    contact_file, fence_s   kill the engine when what the file says, seconds since boot, is older than this; 0: never
    identity              copied into run.json

It answers one line on standard output, `ok` or `error TEXT`, writes DIRECTORY/run.json, waits, and writes
DIRECTORY/exit.json. SIGTERM to the shim stops the engine (SIGTERM to its group, SIGKILL after the grace), so a stop
once asked for is finished whoever dies meanwhile. The engine dies with the shim; nothing that it started outlives it.
A full disk never blocks the engine: what cannot be written is counted and said in the log when there is room again.

All of it is one file because it runs without site-packages and without its package's directory on the path.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import sys
import time

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_READ_BYTES = 65536
_RESERVED_BYTES = 512
_READS_PER_TURN = 64
_FENCE_LOOK_MS = 1000.0
_LAST_WORDS_S = 2.0
"""How long output is still read after the engine's end: a pipe held open by a stray process must not hold us."""


class Order:
    """What the agent wants run."""

    def __init__(self, text: str) -> None:
        raw = json.loads(text)
        self.argv: list[str] = raw["argv"]
        self.env: dict[str, str] = raw["env"]
        self.cwd: str = raw["cwd"]
        self.log_dir: str = raw["log_dir"]
        self.segment_bytes: int = raw["segment_bytes"]
        self.segments: int = raw["segments"]
        self.grace_s: float = raw["grace_s"]
        self.contact_file: str = raw.get("contact_file", "")
        self.fence_s: float = raw.get("fence_s", 0.0)
        self.identity: dict[str, object] = raw["identity"]


class Log:
    """Segments named by the offset of their first byte, `%020d.log`; cut at line ends; the oldest are removed."""

    def __init__(self, directory: str, segment_bytes: int, segments: int) -> None:
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._segments = segments
        self._lost_bytes = 0
        self._is_at_line_start = True
        os.makedirs(directory, mode=0o700, exist_ok=True)
        names = self._names()
        self._start = int(names[-1][:20]) if names else 0
        self._size = os.path.getsize(os.path.join(directory, names[-1])) if names else 0
        self._fd = -1
        self._open()

    def write(self, data: bytes) -> None:
        """Append; never raises for want of room."""
        if self._lost_bytes:
            note = b"[roundhouse] %d bytes of this log were lost: it could not be written\n" % self._lost_bytes
            if not self._append(note if self._is_at_line_start else b"\n" + note):
                self._lost_bytes += len(data)
                return
            self._lost_bytes = 0
        if not self._append(data):
            self._lost_bytes += len(data)

    def say(self, text: str) -> None:
        """Write a line of our own."""
        line = f"[roundhouse] {text}\n".encode("utf-8", "replace")
        self.write(line if self._is_at_line_start else b"\n" + line)

    def _append(self, data: bytes) -> bool:
        try:
            while data:
                self._rotate()
                count = os.write(self._fd, data[: self._room(data)])
                self._size += count
                self._is_at_line_start = data[count - 1 : count] == b"\n"
                data = data[count:]
        except OSError:
            return False
        return True

    def _room(self, data: bytes) -> int:
        """Return how much goes into this segment: up to the end of the line with which it becomes full."""
        end = data.find(b"\n", max(0, self._segment_bytes - self._size - 1))
        return min(end + 1 if end >= 0 else len(data), max(1, 2 * self._segment_bytes - self._size))

    def _rotate(self) -> None:
        is_full = self._size >= self._segment_bytes and self._is_at_line_start
        if is_full or self._size >= 2 * self._segment_bytes:
            os.close(self._fd)
            self._fd = -1
            self._start += self._size
            self._size = 0
        if self._fd < 0:
            self._open()

    def _open(self) -> None:
        path = os.path.join(self._directory, f"{self._start:020d}.log")
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        for name in self._names()[: -self._segments]:
            os.unlink(os.path.join(self._directory, name))

    def _names(self) -> list[str]:
        return sorted(name for name in os.listdir(self._directory) if name.endswith(".log") and name[:20].isdigit())


class Engine:
    """The child and its group."""

    def __init__(self, order: Order) -> None:
        self.status: int | None = None
        self.error = ""
        output, child_output = os.pipe2(os.O_CLOEXEC)
        failure, child_failure = os.pipe2(os.O_CLOEXEC)
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            _become_engine(order, child_output, child_failure, parent)
        os.close(child_output)
        os.close(child_failure)
        self.output = output
        os.set_blocking(output, False)
        said = os.read(failure, 4096)
        os.close(failure)
        self.error = said.decode("utf-8", "replace")

    def signal_group(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def reap(self) -> None:
        """Reap every child that ended; strays come to us because we are a subreaper."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.pid:
                self.status = status


def _become_engine(order: Order, output: int, failure: int, parent: int) -> None:
    """Never returns. Runs in the child."""
    try:
        os.setpgid(0, 0)
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.chdir(order.cwd)
        os.execvpe(order.argv[0], order.argv, order.env)
    except OSError as error:
        os.write(failure, f"cannot run {order.argv[0]}: {error.strerror}".encode())
    finally:
        os._exit(127)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def start_ticks(pid: int) -> int:
    """Return when a process started, in clock ticks since boot (field 22 of its stat); 0 when unknown."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return int(stat.read().rsplit(b")", 1)[1].split()[19])
    except (OSError, IndexError, ValueError):
        return 0


def write_json(path: str, value: dict[str, object]) -> None:
    """Write a file so that a reader sees all of it or nothing."""
    with open(path + ".new", "w", encoding="utf-8") as file:
        os.chmod(path + ".new", 0o600)
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())
    os.rename(path + ".new", path)


def reserve(path: str) -> None:
    """Take the room for a file that `write_reserved` must be able to write on a full disk."""
    with open(path + ".new", "w", encoding="utf-8") as file:
        os.chmod(path + ".new", 0o600)
        file.write(" " * _RESERVED_BYTES)
        file.flush()
        os.fsync(file.fileno())


def write_reserved(path: str, value: dict[str, object]) -> None:
    """Write atomically into the room that was reserved."""
    with open(path + ".new", "r+", encoding="utf-8") as file:
        file.write(json.dumps(value).ljust(_RESERVED_BYTES))
        file.flush()
        os.fsync(file.fileno())
    os.rename(path + ".new", path)


def _boot_id() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def _children() -> list[int]:
    try:
        with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
            return [int(pid) for pid in file.read().split()]
    except OSError:
        return []


def _answer(text: str) -> None:
    """Tell whoever started us; a dead agent is no reason to stop."""
    with contextlib.suppress(OSError):
        os.write(1, text.encode() + b"\n")
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.close(nothing)


def _pump(engine: Engine, log: Log) -> bool:
    """Move what is there from the pipe to the log, in bounded turns; return False at its end."""
    for _ in range(_READS_PER_TURN):
        try:
            data = os.read(engine.output, _READ_BYTES)
        except BlockingIOError:
            return True
        if not data:
            return False
        log.write(data)
    return True


class Fence:
    """The last guard against two lives of one replica: a member of a gang must not outlive its node's contact with the
    scheduler, also when the agent that would end it is dead."""

    def __init__(self, order: Order) -> None:
        self._file = order.contact_file
        self._limit_s = order.fence_s
        self._contact_at = time.clock_gettime(time.CLOCK_BOOTTIME)

    @property
    def is_set(self) -> bool:
        return self._limit_s > 0

    def is_due(self) -> bool:
        with contextlib.suppress(OSError, ValueError), open(self._file, encoding="ascii") as file:
            self._contact_at = max(self._contact_at, float(file.read(64)))
        return self.is_set and time.clock_gettime(time.CLOCK_BOOTTIME) - self._contact_at > self._limit_s


def _guard(engine: Engine, log: Log, wake: int, order: Order, asked: dict[str, bool]) -> None:
    """Return when the engine process has ended."""
    poller = select.poll()
    poller.register(wake, select.POLLIN)
    poller.register(engine.output, select.POLLIN)
    kill_at = None
    fence = Fence(order)
    while True:
        timeout_ms = None if kill_at is None else max(0, (kill_at - time.monotonic()) * 1000)
        if fence.is_set and kill_at is None:
            timeout_ms = _FENCE_LOOK_MS
            if fence.is_due():
                log.say(f"the scheduler has not been heard for {order.fence_s:g} s: killed, for its gang starts anew")
                engine.signal_group(signal.SIGKILL)
        for fd, _ in poller.poll(timeout_ms):
            if fd == wake:
                os.read(wake, 4096)
            elif not _pump(engine, log):
                poller.unregister(engine.output)
        engine.reap()
        if engine.status is not None:
            return
        if asked["stop"] and kill_at is None:
            engine.signal_group(signal.SIGTERM)
            kill_at = time.monotonic() + order.grace_s
        if kill_at is not None and time.monotonic() >= kill_at:
            log.say(f"it did not end within {order.grace_s:g} s of SIGTERM and was killed")
            engine.signal_group(signal.SIGKILL)
            kill_at = time.monotonic() + order.grace_s


def _finish(engine: Engine, log: Log) -> None:
    """End what the engine left behind and read its last words."""
    engine.signal_group(signal.SIGKILL)
    deadline = time.monotonic() + _LAST_WORDS_S
    while time.monotonic() < deadline:
        for pid in _children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        engine.reap()
        if not _pump(engine, log) and not _children():
            return
        time.sleep(0.01)


def _listen_for_signals(asked: dict[str, bool]) -> int:
    """Return a pipe that becomes readable at every signal; SIGTERM asks for the stop."""
    wake, alarm = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(alarm, warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, lambda *_: asked.update(stop=True))
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(ignored, signal.SIG_IGN)
    return wake


def _record(order: Order, engine: Engine) -> dict[str, object]:
    return {
        **order.identity,
        "pid": engine.pid,
        "start_ticks": start_ticks(engine.pid),
        "shim_pid": os.getpid(),
        "shim_start_ticks": start_ticks(os.getpid()),
        "boot_id": _boot_id(),
        "started_at": time.time(),
    }


def main(directory: str) -> int:
    """Guard one engine to its end; return its exit code as a shell would (128 + signal)."""
    order = Order(sys.stdin.read())
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    asked = {"stop": False}
    wake = _listen_for_signals(asked)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    try:
        log = Log(order.log_dir, order.segment_bytes, order.segments)
    except OSError as error:
        _answer(f"error cannot write the log in {order.log_dir}: {error.strerror}")
        return 1
    engine = Engine(order)
    if engine.error:
        _answer(f"error {engine.error}")
        return 127
    record = _record(order, engine)
    exit_file = os.path.join(directory, "exit.json")
    try:
        reserve(exit_file)
        write_json(os.path.join(directory, "run.json"), record)
    except OSError as error:
        _finish(engine, log)
        _answer(f"error cannot write {directory}: {error.strerror}")
        return 1
    log.say(f"attempt {record['attempt']}: process {engine.pid}: {' '.join(order.argv)}")
    _answer("ok")
    _guard(engine, log, wake, order, asked)
    _finish(engine, log)
    code = os.waitstatus_to_exitcode(engine.status or 0)
    log.say(f"process {engine.pid} ended with " + (f"code {code}" if code >= 0 else f"signal {-code}"))
    exit_code, by_signal = (code, None) if code >= 0 else (None, -code)
    ended: dict[str, object] = {
        "at": time.time(),
        "code": exit_code,
        "signal": by_signal,
        "was_asked": asked["stop"],
    }
    with contextlib.suppress(OSError):
        write_reserved(exit_file, ended)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
