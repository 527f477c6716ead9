"""Waiting for what was asked for, saying meanwhile what it waits for."""

import time

import httpx

from roundhouse_cli.errors import Failure, Refused
from roundhouse_cli.rest import Item, Services
from roundhouse_cli.steps import Steps
from roundhouse_common.runtime import Clock

__all__ = ["describe", "wait_until_running"]

_POLL_S = 0.25
_LOOK_AT_VERSION_EVERY_S = 3.0
_STATES_THAT_LAST = frozenset({"Stopped", "Error"})


def wait_until_running(services: Services, deployment: Item, clock: Clock, *, within_s: float = 600.0) -> None:
    """Return when the scheduler has seen this generation and runs exactly the replicas it asks for, all of one version.

    Raises Failure with the reason when it ends in an error, is stopped meanwhile, its version failed and nothing takes
    it back, or nothing about it changed for `within_s`: fetching a large model may take hours.
    """
    said, deadline = "", clock.monotonic() + within_s
    look_at_version = clock.monotonic() + _LOOK_AT_VERSION_EVERY_S
    with Steps().step(f"Waiting for {deployment['name']}") as step:
        while True:
            status = _status(services, deployment)
            is_seen = status["generation"] >= deployment["generation"]
            is_whole = status["replicas_ready"] == status["replicas_wanted"] and not status.get("rollout")
            if is_seen and status["state"] == "Running" and is_whole:
                return
            if is_seen and status["state"] in _STATES_THAT_LAST:
                raise Failure(f"{deployment['name']}: {describe(status)}")
            if is_seen and clock.monotonic() > look_at_version:
                look_at_version = clock.monotonic() + _LOOK_AT_VERSION_EVERY_S
                _refuse_failed(services, deployment)
            if describe(status) != said:
                said, deadline = describe(status), clock.monotonic() + within_s
            elif clock.monotonic() > deadline:
                raise Failure(f"{deployment['name']} does not run, and nothing changed for {within_s:.0f} s: {said}")
            step.note(said)
            time.sleep(_POLL_S)


def _refuse_failed(services: Services, deployment: Item) -> None:
    """Raise Failure when the wanted version is in Error and stays so: without a rollback the older one serves on."""
    if (deployment.get("rollout") or {}).get("is_rolled_back", True):
        return
    wanted = deployment["active_version"]["number"]
    for version in services.scheduler.items(f"/api/v1/deployments/{deployment['id']}/versions"):
        if version["number"] == wanted and version.get("state") == "Error":
            why = (version.get("failure") or {}).get("detail") or version.get("why") or "it failed"
            raise Failure(f"{deployment['name']}: version {wanted} is in Error: {why}")


def _status(services: Services, deployment: Item) -> Item:
    """Return what the scheduler says; a deployment made this moment may not have reached it yet."""
    try:
        return services.scheduler.get(f"/api/v1/deployments/{deployment['id']}/status")
    except Refused as error:
        if error.status != httpx.codes.NOT_FOUND:
            raise
        wanted = deployment["replicas"]
        why = "the scheduler has not heard of it yet"
        return {"generation": 0, "state": "Preparing", "why": why, "replicas_wanted": wanted, "replicas_ready": 0}


def describe(status: Item) -> str:
    """Say a deployment's status in one line."""
    why = f": {status['why']}" if status.get("why") else ""
    return f"{status['state']}, {status['replicas_ready']} of {status['replicas_wanted']} ready{why}"
