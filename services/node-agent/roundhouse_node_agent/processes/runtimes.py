"""What engines run in on this machine: which one a replica gets, its command, and which are in use."""

import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import msgspec

from roundhouse_common.contracts.node import DeviceInfo, NodeInventory
from roundhouse_common.contracts.scheduler import Assignment, Reason
from roundhouse_node_agent.domain.engine_runtime import EngineRuntime
from roundhouse_node_agent.domain.engine_source import EngineSource, lack_of
from roundhouse_node_agent.domain.errors import LaunchFailed
from roundhouse_node_agent.engines.engine import Command, Engine, RenderOrder
from roundhouse_node_agent.environments.container_tool import ContainerTool
from roundhouse_node_agent.environments.containers import Place, contained, container_name, places_of

__all__ = ["Runtimes", "Seat"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """Where one run of an engine is: found on the machine, in an installed environment, or in a container."""

    runtime: EngineRuntime
    container: str = ""
    """Its name; empty without one."""


class Runtimes:
    """Kept by the host. What a run got stays its own, whatever becomes the default later."""

    def __init__(
        self, *, engines: Mapping[str, Engine], source: EngineSource, containers: ContainerTool, node_id: str
    ) -> None:
        self._engines = engines
        self._source = source
        self._containers = containers
        self._node_id = node_id
        self._held: dict[str, str] = {}
        self.log_dir = source.log_dir

    def described(self, found: NodeInventory) -> NodeInventory:
        """Return the inventory with the engines that this machine has and may install."""
        self._source.see_devices({device.vendor for device in found.devices})
        return msgspec.structs.replace(
            found,
            engines=tuple(sorted({kind for kind, _ in self._source.runtimes()})),
            engine_versions=self._source.versions(),
            installable_engines=self._source.installable(),
        )

    def cannot_run(self, assignment: Assignment) -> str | None:
        """Return why this machine could never run it, or None."""
        kind = assignment.version.engine.value
        engine = self._engines.get(kind)
        if engine is None:
            return f"this agent does not know engine {kind}; it may be older than the scheduler"
        return lack_of(self._source, assignment.version, self._node_id) or engine.cannot_run(assignment.version)

    def lacks(self, assignment: Assignment) -> bool:
        version = assignment.version
        return self._source.find(version.engine.value, version.engine_version) is None

    async def ensure(self, assignment: Assignment) -> None:
        version = assignment.version
        await self._source.ensure(version.engine.value, version.engine_version)

    def seat(self, assignment: Assignment, launch: int) -> Seat:
        """Return where a run goes, and hold it for the replica. Raises LaunchFailed when its engine is gone."""
        version = assignment.version
        runtime = self._source.find(version.engine.value, version.engine_version)
        if runtime is None:
            lack = lack_of(self._source, version, self._node_id)
            raise LaunchFailed(lack or "its engine was removed meanwhile", Reason.ENGINE_UNAVAILABLE)
        self.hold(assignment.replica_id, runtime.environment_id)
        return _seat(assignment, runtime, launch)

    def offered(self, assignment: Assignment) -> Seat | None:
        """Return where a run would go now, and hold nothing; None where the engine is yet to be installed."""
        version = assignment.version
        runtime = self._source.find(version.engine.value, version.engine_version)
        return None if runtime is None else _seat(assignment, runtime, launch=1)

    def command(
        self,
        assignment: Assignment,
        seat: Seat,
        *,
        model_path: str,
        devices: tuple[DeviceInfo, ...],
        host: str,
        port: int,
        address: str,
        directory: str,
    ) -> Command:
        """Return what to run. Raises LaunchFailed."""
        command = self._engines[seat.runtime.kind].render(
            RenderOrder(
                runtime=seat.runtime,
                version=assignment.version,
                served_name=assignment.deployment_name,
                model_path=model_path,
                devices=devices,
                host=host,
                port=port,
                api_key=assignment.engine_api_key,
                address=address,
                directory=directory,
                gang=assignment.gang,
            )
        )
        if not seat.container:
            return command
        place = Place(
            tool=self._containers.program(),
            image=seat.runtime.image,
            name=seat.container,
            node_id=self._node_id,
            replica_id=assignment.replica_id,
            model_places=places_of(model_path),
            directory=directory,
            agent_python=sys.executable,
            devices=devices,
        )
        return contained(command, place)

    def hold(self, replica_id: str, environment_id: str) -> None:
        """A replica runs in an environment: it is not removed."""
        self._held[replica_id] = environment_id

    def release(self, replica_id: str) -> None:
        self._held.pop(replica_id, None)

    def in_use(self) -> frozenset[str]:
        """Return the ids of the installed engines that replicas run in."""
        return frozenset(self._held.values())

    def end_container(self, name: str) -> None:
        """End what a run's client left behind; without a name there is none. Blocking."""
        if name:
            self._containers.remove(name)

    def end_strays(self, kept: Collection[str]) -> None:
        """End the containers of runs that nobody knows. Blocking."""
        self._containers.remove_strays(self._node_id, kept)


def _seat(assignment: Assignment, runtime: EngineRuntime, launch: int) -> Seat:
    name = container_name(assignment.replica_id, assignment.attempt, launch) if runtime.image else ""
    return Seat(runtime=runtime, container=name)
