"""What scripts/_env does when .venv does not fit the pins: make it, bring uv, install. Only the standard library."""

import contextlib
import fcntl
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from scripts._env import MEMBERS, PYTHON, ROOT, STAMP, VENV

from roundhouse_common.pip_config import uv_environment

__all__ = ["InstallError", "exclusively", "explain", "install"]

_LOG = VENV / "roundhouse-install.log"
_LEAST_FREE_BYTES = 64 * 1024 * 1024
_HEARTBEAT_S = 10.0
_SHOWN = ("Downloading ", "Building ")
"""What uv says that is worth a line when its progress bars cannot be shown."""


class InstallError(Exception):
    """The environment cannot be made; the text is one line that says what to do."""


def _say(text: str) -> None:
    print(f"roundhouse: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def exclusively() -> Iterator[None]:
    """Hold the lock that keeps two installations apart; the kernel frees it when the process dies."""
    with (ROOT / "requirements" / "bootstrap.txt").open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("another command is preparing .venv; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def install(missing: set[str], sets: set[str], fingerprint: str) -> None:
    """Install the `missing` sets, then stamp the environment as holding `sets`. Safe to repeat after any failure."""
    started = time.monotonic()
    _check_ground()
    environment = uv_environment(os.environ, Path.home())
    environment["VIRTUAL_ENV"] = str(VENV)
    # Else each of the services that start together compiles the same libraries: 1 s of CPU for every one of them.
    environment.setdefault("UV_COMPILE_BYTECODE", "1")
    total = 3 if "runtime" in missing else 1
    try:
        bringer = _bring_venv(total)
        STAMP.unlink(missing_ok=True)
        _bring_uv(bringer, environment)
        uv = [str(VENV / "bin" / "uv"), "pip", "install", "--python", str(PYTHON)]
        pinned = [f"--requirements=requirements/{name}.txt" for name in _requirement_files(missing)]
        # Complete pin lists need no resolution; the demo's must not be resolved (requirements/demo.in says why).
        _run(
            f"[{min(total, 2)}/{total}] installing packages",
            [*uv, "--no-deps", "--require-hashes", *pinned],
            environment,
        )
        if "runtime" in missing:
            members = [word for member in MEMBERS for word in ("--editable", member)]
            _run("[3/3] installing Roundhouse", [*uv, "--no-deps", "--no-build-isolation", *members], environment)
        STAMP.write_text(" ".join([fingerprint, *sorted(sets)]), encoding="utf-8")
    except OSError as error:
        raise InstallError(explain(str(error), "preparing .venv", environment)) from error
    _say(f"the environment is ready ({time.monotonic() - started:.0f} s)")


def _requirement_files(missing: set[str]) -> list[str]:
    own = [name for name in ("dev", "compile") if name in missing]
    return [*(["runtime", "demo"] if "runtime" in missing else []), *own]


def _check_ground() -> None:
    if not os.access(ROOT, os.W_OK):
        raise InstallError(f"{ROOT} cannot be written to; own the checkout, or clone it to a place that you can write")
    free_bytes = shutil.disk_usage(ROOT).free
    if free_bytes < _LEAST_FREE_BYTES:
        raise InstallError(f"the disk of {ROOT} is full ({free_bytes // 1024**2} MiB free); some 700 MiB are needed")


def _bring_venv(total: int) -> str:
    """Make .venv unless a usable one is there. Return the uv on PATH when this Python cannot bring its own, else ""."""
    has_ensurepip = importlib.util.find_spec("venv") is not None and importlib.util.find_spec("ensurepip") is not None
    bringer = "" if has_ensurepip else shutil.which("uv") or ""
    base = str(getattr(sys, "_base_executable", "") or sys.executable)
    if not _is_venv_usable():
        _say(f"[1/{total}] making .venv with Python {sys.version.split()[0]} (first time only)")
        if has_ensurepip:
            _run("", [base, "-m", "venv", "--without-pip", "--clear", str(VENV)], os.environ)
        elif bringer:
            _run("", [bringer, "venv", "--quiet", "--clear", "--python", base, str(VENV)], os.environ)
        else:
            version = f"{sys.version_info[0]}.{sys.version_info[1]}"
            raise InstallError(
                f"{base} lacks the venv and ensurepip modules; install them (Debian, Ubuntu: apt install "
                f"python{version}-venv) or put uv on PATH"
            )
    return bringer


def _is_venv_usable() -> bool:
    """Whether .venv was made for the minor version of the Python that runs this."""
    try:
        config = (VENV / "pyvenv.cfg").read_text(encoding="utf-8")
    except OSError:
        return False
    found = re.search(r"^version(?:_info)?\s*=\s*(\d+)\.(\d+)", config, re.MULTILINE)
    return PYTHON.exists() and found is not None and tuple(map(int, found.groups())) == sys.version_info[:2]


def _bring_uv(bringer: str, environment: Mapping[str, str]) -> None:
    """Install requirements/bootstrap.txt: by uv where there is one, else by the pip wheel that Python carries."""
    arguments = ["--require-hashes", "--no-deps", "-r", "requirements/bootstrap.txt"]
    own = VENV / "bin" / "uv"
    if own.exists() or bringer:
        command = [str(own) if own.exists() else bringer, "pip", "install", "--quiet", "--python", str(PYTHON)]
        _run("", [*command, *arguments], environment)
        return
    wheels = Path(sysconfig.get_config_var("WHEEL_PKG_DIR") or Path(os.__file__).parent / "ensurepip" / "_bundled")
    wheel = next(iter(sorted(wheels.glob("pip-*.whl"))), None)
    pip_environment = dict(os.environ)
    if wheel is None:
        _run("", [str(PYTHON), "-m", "ensurepip"], pip_environment)
    else:
        pip_environment["PYTHONPATH"] = str(wheel)  # runs from the wheel: installing pip itself takes 3 s and is no use
    command = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "3"]
    _run("fetching uv", [*command, *arguments], pip_environment, asked=environment)


def _run(
    step: str, command: Sequence[str], environment: Mapping[str, str], *, asked: Mapping[str, str] | None = None
) -> None:
    """Run one installer in the project's root, with a sign of life on stderr; raise InstallError with what went wrong.

    `asked` names the index in uv's variables, for the message, where `environment` does not.
    """
    if step:
        _say(step)
    lines: list[str] = []
    with _heartbeat(step):
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace",
        )  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.rstrip())
            if line.startswith(_SHOWN):
                _say(f"  {line.strip()}")
    if process.wait() != 0:
        log = "\n".join(lines)
        with contextlib.suppress(OSError):
            _LOG.write_text(f"$ {' '.join(command)}\n{log}\n", encoding="utf-8")
        raise InstallError(explain(log, step.partition("] ")[2] or step or "preparing .venv", asked or environment))


@contextlib.contextmanager
def _heartbeat(step: str) -> Iterator[None]:
    """Say every few seconds that a long step is still going."""
    done = threading.Event()
    started = time.monotonic()

    def beat() -> None:
        while not done.wait(_HEARTBEAT_S):
            _say(f"  {step.partition('] ')[2] or step or 'preparing .venv'}: {time.monotonic() - started:.0f} s so far")

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


_DISK = re.compile(r"No space left on device|os error 28|Disk quota exceeded", re.IGNORECASE)
_HASH = re.compile(r"Hash mismatch|DO NOT MATCH THE HASHES", re.IGNORECASE)
_NETWORK = re.compile(
    r"dns error|failed to lookup address|error sending request|tcp connect error|Connection refused|NewConnectionError"
    r"|Temporary failure in name resolution|Network is unreachable|operation timed out|Read timed out|ConnectTimeout"
    r"|Max retries exceeded|Network connectivity is disabled|Could not connect|ProxyError|certificate verify failed"
    r"|invalid peer certificate|Connection reset",
    re.IGNORECASE,
)
_ABSENT = re.compile(
    r"No solution found|No matching distribution|was not found in the package registry|no wheels with a matching",
    re.IGNORECASE,
)


def explain(log: str, step: str, environment: Mapping[str, str]) -> str:
    """Return one line for what an installer printed: what happened, and what to do about it."""
    index = _without_password(environment.get("UV_DEFAULT_INDEX", "") or "of Python (no other is configured)")
    cases: tuple[tuple[re.Pattern[str], Callable[[], str]], ...] = (
        (_DISK, lambda: f"the disk of {ROOT} or of uv's cache is full ({step}); some 700 MiB are needed"),
        (_HASH, lambda: f"a package does not have the pinned hash ({_line(log, _HASH)}); do not trust that index"),
        (_NETWORK, lambda: f"the package index {index} cannot be reached ({_line(log, _NETWORK)}); check the network, "
         "or name another index in pip's configuration (pip config set global.index-url URL) or in PIP_INDEX_URL"),
        (_ABSENT, lambda: f"the package index {index} lacks a pinned package ({_line(log, _ABSENT)}); "
         "use an index that mirrors PyPI"),
    )  # fmt: skip
    for pattern, text in cases:
        if pattern.search(log):
            return text()
    last = next((line.strip() for line in reversed(log.splitlines()) if line.strip()), "no output")
    return f"{step} failed: {last} (whole output: {_LOG})"


def _line(log: str, pattern: re.Pattern[str]) -> str:
    found = next((line.strip() for line in log.splitlines() if pattern.search(line)), "")
    cause = re.search(r"\[Errno \d+\][^'\")]*", found)
    return _without_password(cause[0] if cause else found.removeprefix("cause: "))[:200]


def _without_password(text: str) -> str:
    return re.sub(r"//[^/@\s]+@", "//", text)
