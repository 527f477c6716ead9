"""From running processes to a first answer: ready services, a key, the demo."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from roundhouse_cli.connection import Connection
from roundhouse_cli.errors import CliError, Failure
from roundhouse_cli.local.demo import Demo
from roundhouse_cli.local.layout import CONSOLE, DataDir, Ports
from roundhouse_cli.output import note
from roundhouse_cli.rest import Api, Services
from roundhouse_cli.steps import Step, Steps
from roundhouse_cli.supervisor.records import SUPERVISOR, read_record
from roundhouse_common.runtime import Clock

__all__ = ["BroughtUp", "ServiceFailed", "bring_up"]

_FIRST_KEY = "first key"
_POLL_S = 0.05
_READY_S = 90.0
_RESTARTS_TOLERATED = 3
_LOG_LINES = 12


class ServiceFailed(Failure):
    """A service does not come up."""

    def __init__(self, service: str, why: str, log: Sequence[str]) -> None:
        super().__init__(f"{service} did not become ready: {why}")
        self.service = service
        self.log = log


@dataclass(frozen=True, slots=True)
class BroughtUp:
    """What runs now."""

    connection: Connection
    model: str | None
    """What the demo answers to; None without a demo that answers."""
    problem: str = ""
    """Why the demo does not answer although all services run."""


def bring_up(data_dir: DataDir, ports: Ports, clock: Clock, *, with_demo: bool) -> BroughtUp:
    """Wait for the services, make what is missing, write the connection file, wait for the demo's first answer.

    Raises ServiceFailed when a service does not come up.
    """
    steps = Steps(clock)
    connection = Connection.of_ports(ports, host=ports.host, source=data_dir.connection)
    with Services(connection) as services, steps.step("Starting NATS and the catalog") as step:
        wait_until_ready([services.catalog], data_dir, clock, step)
        connection = replace(connection, api_key=ensure_key(services, known_key(data_dir)))
        connection.save(data_dir.connection)
    with Services(connection) as services:
        demo = Demo(data_dir, services, clock)
        deployment = demo.deploy() if with_demo else None
        with steps.step("Starting the other services") as step:
            others = [services.api(name, ports.url(name)) for name in ("node-agent", CONSOLE) if name in ports.services]
            everything = [*services.all(), *others]
            wait_until_ready(everything, data_dir, clock, step)
        if deployment is None:
            return BroughtUp(connection, None)
        try:
            with steps.step(f"Waiting for {deployment['name']} to answer") as step:
                demo.wait(deployment, step)
        except CliError as error:
            return BroughtUp(connection, None, str(error))
        return BroughtUp(connection, deployment["name"])


def wait_until_ready(apis: Sequence[Api], data_dir: DataDir, clock: Clock, step: Step) -> None:
    """Return when all are ready. Raises ServiceFailed for the first that keeps dying or takes too long, and Failure
    when somebody stops them meanwhile.
    """
    deadline, waiting = clock.monotonic() + _READY_S, list(apis)
    while waiting:
        reasons = {api.service: found.why_not for api in waiting if not (found := api.readiness()).is_ready}
        waiting = [api for api in waiting if api.service in reasons]
        step.note("waiting for " + ", ".join(reasons))
        if waiting and is_being_stopped(data_dir):
            raise Failure("It was stopped while it was starting.")
        for service, why in reasons.items():
            record = read_record(data_dir.run, service)
            if record is not None and record.restarts > _RESTARTS_TOLERATED:
                why_it_dies = f"it ended {record.restarts} times ({record.last_exit})"
                raise ServiceFailed(service, why_it_dies, last_lines(data_dir, service))
            if clock.monotonic() > deadline:
                raise ServiceFailed(service, why, last_lines(data_dir, service))
        if waiting:
            time.sleep(_POLL_S)


def is_being_stopped(data_dir: DataDir) -> bool:
    """Tell whether a `down` is at it or was: what is waited for then never comes."""
    record = read_record(data_dir.run, SUPERVISOR)
    return record is None or record.doing.startswith("stopping")


def last_lines(data_dir: DataDir, service: str) -> list[str]:
    """Return the end of a service's log."""
    try:
        text = data_dir.log(service).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.splitlines()[-_LOG_LINES:]


def ensure_key(services: Services, known: str) -> str:
    """Return `known` when the catalog still honours that key, else the secret of a new one."""
    for key in services.catalog.items("/api/v1/api-keys") if known else ():
        is_same = known.startswith(key["prefix"]) and known.endswith(key["last_four"])
        if is_same and not key.get("is_revoked") and not key.get("revoked_at"):
            return known
    secret: str = services.catalog.post("/api/v1/api-keys", {"name": _FIRST_KEY})["secret"]
    if known:
        note("The catalog no longer knows the API key of the connection file; there is a new one.")
    return secret


def known_key(data_dir: DataDir) -> str:
    """Return the key of an earlier start, or nothing."""
    try:
        return Connection.load(data_dir.connection).api_key
    except Failure:
        return ""
