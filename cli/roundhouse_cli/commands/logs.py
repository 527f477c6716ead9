"""`roundhouse deployments logs`: what the engines of a deployment write."""

import time
from dataclasses import dataclass

from roundhouse_cli.errors import Failure
from roundhouse_cli.output import note
from roundhouse_cli.resolve import pick, short_id
from roundhouse_cli.rest import Item, Services

__all__ = ["follow_logs", "open_logs"]

_POLL_S = 0.4
_LOOK_FOR_NEW_REPLICAS_EVERY = 10


@dataclass(slots=True)
class ReplicaLog:
    """One replica's log, read from where the last read ended: no line is missed or shown twice."""

    services: Services
    replica_id: str
    prefix: str = ""
    node_id: str = ""
    """Where it ran before, when it has moved; empty: where it is, or ended."""
    offset: int = -1
    _rest: str = ""

    def show(self, *, tail: int = 0) -> None:
        """Print the last `tail` lines, or what came since the last call; an unfinished line waits for its end."""
        place = {"tail": tail} if self.offset < 0 else {"offset": self.offset}
        path, node_id = f"/api/v1/replicas/{self.replica_id}/log", self.node_id or None
        chunk = self.services.scheduler.get(path, **place, node_id=node_id)
        if chunk.get("error") and self.offset < 0:
            note(f"{self.prefix}{chunk['error']}")
        if chunk.get("is_truncated"):
            note(f"{self.prefix}(older lines are gone)")
        self.offset = chunk["next_offset"]
        *lines, self._rest = (self._rest + chunk["text"]).split("\n")
        for line in lines:
            print(f"{self.prefix}{line}", flush=True)

    def finish(self) -> None:
        """Print an unfinished line."""
        if self._rest:
            print(f"{self.prefix}{self._rest}", flush=True)
            self._rest = ""


def open_logs(services: Services, deployment: Item, replica: str, *, node_id: str = "") -> list[ReplicaLog]:
    """Return the logs of a deployment's replicas, or of one of them; of those that ended when none runs.

    With `node_id` what they wrote on that node, also when they have moved since.
    """
    replicas = _replicas(services, deployment, ended=bool(replica)) or _replicas(services, deployment, ended=True)[-1:]
    if replica:
        named = [{**found, "name": found["id"]} for found in replicas]
        replicas = [pick(named, replica, "replica")]
    if not replicas:
        raise Failure(f"{deployment['name']} has had no replica yet.")
    logs = [_log(services, found["id"], is_alone=len(replicas) == 1) for found in replicas]
    for log in logs:
        log.node_id = node_id
    return logs


def follow_logs(services: Services, deployment: Item, logs: list[ReplicaLog], *, is_one: bool) -> None:
    """Print what comes, of new replicas too, until Ctrl-C."""
    looks = 0
    while True:
        time.sleep(_POLL_S)
        looks += 1
        if not is_one and looks % _LOOK_FOR_NEW_REPLICAS_EVERY == 0:
            known = {log.replica_id for log in logs}
            new = [found["id"] for found in _replicas(services, deployment, ended=False) if found["id"] not in known]
            logs += [_log(services, replica_id, is_alone=False) for replica_id in new]
        for log in logs:
            log.show()


def _replicas(services: Services, deployment: Item, *, ended: bool) -> list[Item]:
    return services.scheduler.items("/api/v1/replicas", deployment_id=deployment["id"], ended=ended)


def _log(services: Services, replica_id: str, *, is_alone: bool) -> ReplicaLog:
    return ReplicaLog(services, replica_id, "" if is_alone else f"{short_id(replica_id)} | ")
