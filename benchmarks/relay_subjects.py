"""What the relay benchmark measures: our router, and others in front of the same scripted engine.

The others are installed on demand into an environment of their own, `.venv-peers`; nginx is used where it is present.
"""

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from roundhouse_common.contracts.catalog import EngineKind, ModelKind
from roundhouse_common.contracts.routing import ApiKeyRecord, LimitDimension, LimitRecord, RouteRecord, RouteTarget
from roundhouse_common.contracts.scheduler import DeploymentEndpoints, Endpoint, EndpointState
from roundhouse_common.pip_config import uv_environment
from roundhouse_router import compiled as builds
from roundhouse_router.store.snapshot import SavedTable, save_table

__all__ = [
    "COMPILED",
    "KEY",
    "PEERS",
    "Subject",
    "engine",
    "fitting_build",
    "keep_own_core",
    "nginx",
    "peer",
    "roundhouse",
]

KEY = "rh-" + "b" * 43
TENANT = "ten_default"
COMPILED = " (compiled)"
"""What the name of our router ends in when its hot path runs compiled."""
_STARTS_WITH = ("setproctitle", "aiohttp", "orjson", "fastapi", "uvicorn", "requests")
PACKAGES = {
    "vllm-router": (("--no-deps", "vllm-router"), _STARTS_WITH),
    "sglang-router": (("--no-deps", "sglang-router"), _STARTS_WITH),
    "litellm": (("litellm[proxy]",),),
}
"""What is installed for each; of the two routers' own dependencies only what their commands import, not the servers."""
PEERS = tuple(PACKAGES)
_PEERS_HOME = Path(".venv-peers")
_BUILD = Path("build", "router")
_CORES = sorted(os.sched_getaffinity(0))
_HUGE = 10**12


@dataclass(frozen=True, slots=True)
class Subject:
    """A gateway that runs."""

    name: str
    port: int
    process: psutil.Process

    def cpu_s(self) -> float:
        """CPU seconds of its processes so far, user and system, all threads."""
        return sum(map(_cpu_s, self._family()))

    def memory_mib(self) -> float:
        return sum(process.memory_info().rss for process in self._family()) / 2**20

    def _family(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]


def _cpu_s(process: psutil.Process) -> float:
    """CPU seconds of one process. `/proc` counts in hundredths, which is a fifth of what a stream's chunks take in a
    second; its clock, as `clock_getcpuclockid` makes the name of it, counts in nanoseconds."""
    try:
        return time.clock_gettime(~process.pid << 3 | 2)
    except OSError:
        user, system, *_ = process.cpu_times()
        return float(user + system)


def keep_to(pid: int, *, is_subject: bool) -> None:
    """One core for the gateway that is measured, another one for the engine and the client, where there are two."""
    os.sched_setaffinity(pid, {_CORES[-1] if is_subject else _CORES[0]})


def keep_own_core() -> None:
    """Keep this process, the client, away from the core of the gateway."""
    keep_to(0, is_subject=False)


@contextmanager
def engine() -> Iterator[int]:
    """Run the scripted engine and yield its port."""
    command = [sys.executable, "-m", "benchmarks.relay_engine"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            port = int(process.stdout.readline())
            keep_to(process.pid, is_subject=False)
            yield port
        finally:
            process.stdin.close()


def fitting_build() -> Path:
    """Return where a build of the router's hot path is, the router's own or one that is made for benchmarks."""
    own = builds.directory_of(os.environ)
    try:
        builds.read_build(own)
    except builds.Unfit:
        subprocess.run(["scripts/compile", "--into", str(_BUILD)], check=False)  # it tells why there is none
        return _BUILD
    return own


@contextmanager
def roundhouse(
    engine_port: int,
    kind: EngineKind = EngineKind.UNKNOWN,
    name: str = "roundhouse",
    compiled: str = "auto",
    build: Path | None = None,
) -> Iterator[Subject]:
    """Run a router that knows only its snapshot, with a key, three limits, and usage records on.

    `compiled` is its setting of that name, `build` where its build is if that is not its own; the subject's name says
    whether its hot path runs compiled.
    """
    with tempfile.TemporaryDirectory(prefix="roundhouse-bench-") as directory:
        save_table(Path(directory), _saved(engine_port, kind))
        settings = {"STATE_DIR": directory, "NATS_URL": f"nats://127.0.0.1:{free_port()}", "COMPILED": compiled}
        environment = {f"ROUNDHOUSE_ROUTER_{setting}": value for setting, value in settings.items()}
        port = free_port()
        command = [sys.executable, "-m", "roundhouse_router"]
        environment["ROUNDHOUSE_ROUTER_PORT"] = str(port)
        if build is not None:
            environment["ROUNDHOUSE_ROUTER_COMPILED_DIR"] = str(build.resolve())
        with _run(name, command, port, environment, "/readyz") as subject:
            yield replace(subject, name=f"{name}{COMPILED}") if _runs_compiled(port) else subject


def _runs_compiled(port: int) -> bool:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        return b"\nroundhouse_router_compiled 1.0\n" in answer.read()


@contextmanager
def peer(name: str, engine_port: int) -> Iterator[Subject]:
    """Install it if need be, run it with one engine behind it, and yield it."""
    _install(name)
    port, programs = free_port(), _PEERS_HOME / "bin"
    worker = f"http://127.0.0.1:{engine_port}"
    common = ["--host", "127.0.0.1", "--port", str(port), "--worker-urls", worker, "--policy", "round_robin"]
    metrics = ["--prometheus-port", str(free_port())]
    with tempfile.TemporaryDirectory(prefix="roundhouse-bench-") as directory:
        if name == "vllm-router":
            command = [str(programs / name), *common, *metrics, "--log-level", "error"]
        elif name == "sglang-router":
            command = [str(programs / name), "launch", *common, *metrics, "--log-level", "error"]
        else:
            config = Path(directory) / "config.yaml"
            config.write_text(_litellm(worker))
            command = [str(programs / name), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
        quiet = {"LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_DOCS": "True"}
        ready = "/health/liveliness" if name == "litellm" else "/health"
        with _run(name, command, port, quiet, ready) as subject:
            yield subject


@contextmanager
def nginx(engine_port: int) -> Iterator[Subject]:
    """Run nginx as a plain proxy. Raises FileNotFoundError where there is none."""
    program = shutil.which("nginx")
    if program is None:
        raise FileNotFoundError("nginx is not installed here")
    with tempfile.TemporaryDirectory(prefix="roundhouse-bench-") as directory:
        port, config = free_port(), Path(directory) / "nginx.conf"
        config.write_text(_NGINX.format(directory=directory, port=port, engine_port=engine_port))
        with _run("nginx", [program, "-p", directory, "-c", str(config)], port, {}, "/") as subject:
            yield subject


@contextmanager
def _run(name: str, command: list[str], port: int, environment: dict[str, str], ready: str) -> Iterator[Subject]:
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=log, stderr=log)
        try:
            keep_to(process.pid, is_subject=True)
            _wait_ready(process, port, ready, log)
            yield Subject(name, port, psutil.Process(process.pid))
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


# log: a file of bytes; what tempfile returns has no name of its own.
def _wait_ready(process: "subprocess.Popen[bytes]", port: int, path: str, log) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=1):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            if process.poll() is not None or time.monotonic() > deadline:
                log.seek(0)
                raise RuntimeError(f"it did not start: {log.read()[-2000:].decode(errors='replace')}") from None
        time.sleep(0.1)


def _install(name: str) -> None:
    if (_PEERS_HOME / "bin" / name).exists():
        return
    uv = str(Path(sys.executable).parent / "uv")
    environment = {**os.environ, **uv_environment(os.environ, Path.home())}
    if not _PEERS_HOME.exists():
        subprocess.run([uv, "venv", "-q", str(_PEERS_HOME), "--python", sys.executable], check=True, env=environment)
    into = [uv, "pip", "install", "-q", "--python", str(_PEERS_HOME / "bin" / "python")]
    for packages in reversed(PACKAGES[name]):  # the program itself last: that it is there says that all is
        subprocess.run([*into, *packages], check=True, env=environment)


def _saved(engine_port: int, kind: EngineKind) -> SavedTable:
    """Return the whole control plane's knowledge: one key, one route, one endpoint, limits of three scopes."""
    endpoint = Endpoint(
        replica_id="rep_1",
        node_id="nod_1",
        base_url=f"http://127.0.0.1:{engine_port}",
        served_model="tiny",
        engine_api_key="engine-key",
        state=EndpointState.READY,
        engine=kind,
    )
    deployment = DeploymentEndpoints(
        deployment_id="dep_1",
        deployment_name="tiny",
        tenant_id=TENANT,
        model_name="tiny",
        model_kind=ModelKind.CHAT,
        revision=1,
        endpoints=(endpoint,),
    )
    route = RouteRecord(
        route_id="rte_1",
        name="tiny",
        tenant_id=TENANT,
        targets=(RouteTarget(deployment_id="dep_1"),),
        model_kind=ModelKind.CHAT,
        created_at=0.0,
    )
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    key = ApiKeyRecord(key_id="key_1", sha256=digest, name="bench", tenant_id=TENANT, user_id="usr_1")
    scopes: tuple[tuple[str, tuple[LimitDimension, ...]], ...] = (
        ("all", ()),
        ("tenant", (LimitDimension.TENANT,)),
        ("key", (LimitDimension.KEY,)),
    )
    limits = {
        name: LimitRecord(
            limit_id=name,
            name=name,
            per=per,
            requests_per_minute=_HUGE,
            tokens_per_minute=_HUGE,
            concurrent_requests=_HUGE,
        )
        for name, per in scopes
    }
    return SavedTable(
        saved_at=0.0, keys={"key_1": key}, routes={"rte_1": route}, endpoints={"dep_1": deployment}, limits=limits
    )


def _litellm(worker: str) -> str:
    return (
        "model_list:\n"
        "  - model_name: tiny\n"
        "    litellm_params:\n"
        f"      model: openai/tiny\n      api_base: {worker}/v1\n      api_key: engine-key\n"
        f"general_settings:\n  master_key: {KEY}\n"
        "litellm_settings:\n  telemetry: false\n"
    )


_NGINX = """
daemon off; worker_processes 1; pid {directory}/nginx.pid; error_log {directory}/error.log;
events {{ worker_connections 8192; }}
http {{
  access_log off; client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/f; uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;
  client_max_body_size 64m; client_body_buffer_size 1m;
  upstream engine {{ server 127.0.0.1:{engine_port}; keepalive 256; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://engine; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
    }}
  }}
}}
"""
