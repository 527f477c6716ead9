"""The command that a version would be started with on this machine, by the code that starts it. Starts nothing."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from roundhouse_common.contracts.catalog import ModelSource
from roundhouse_common.contracts.commands import CommandRendered, RenderCommand
from roundhouse_common.contracts.node import DeviceInfo
from roundhouse_common.contracts.scheduler import Assignment, Desired, Reason
from roundhouse_node_agent.domain.engine_runtime import EngineRuntime
from roundhouse_node_agent.domain.errors import LaunchFailed, ModelUnavailable
from roundhouse_node_agent.domain.masking import MASK, masked_environment, masked_words
from roundhouse_node_agent.processes.runtimes import Runtimes, Seat

__all__ = ["Places", "Previews", "chosen_devices"]

_REPLICA: Final = "REPLICA"
_MODEL_FILES: Final = "MODEL_FILES"
_ENGINE: Final = "ENGINE/bin/python"
"""Of an environment that is yet to be installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """What a start would find on this machine. All of it may block."""

    host: str
    """Where engines bind."""
    address: str
    find_model: Callable[[ModelSource], str | None]
    """Raises ModelUnavailable for a source on this machine that is not there."""
    pick_port: Callable[[], int]
    """Raises LaunchFailed."""
    run_directory: Callable[[Assignment], str]


class Previews:
    """Answers RenderCommand."""

    def __init__(self, runtimes: Runtimes, places: Places) -> None:
        self._runtimes = runtimes
        self._places = places

    async def render(self, query: RenderCommand, devices: Sequence[DeviceInfo]) -> CommandRendered:
        """Return the command, or why it could not be started here. `devices` are all of this machine."""
        assignment = _pretended(query)
        fault = self._runtimes.cannot_run(assignment)
        if fault is not None:
            return CommandRendered(error=fault)
        try:
            return await asyncio.to_thread(self._rendered, assignment, chosen_devices(assignment, devices))
        except (LaunchFailed, ModelUnavailable) as error:
            return CommandRendered(error=error.message)

    def _rendered(self, assignment: Assignment, devices: tuple[DeviceInfo, ...]) -> CommandRendered:
        version, places = assignment.version, self._places
        seat = self._runtimes.offered(assignment)
        runtime = EngineRuntime(kind=version.engine.value, python=_ENGINE) if seat is None else seat.runtime
        path, port, directory = places.find_model(version.source), places.pick_port(), places.run_directory(assignment)
        command = self._runtimes.command(
            assignment,
            seat or Seat(runtime=runtime),
            model_path=path or _MODEL_FILES,
            devices=devices,
            host=places.host,
            port=port,
            address=places.address,
            directory=directory,
        )
        return CommandRendered(
            argv=masked_words(command.argv),
            environment=masked_environment({**runtime.environment, **command.env}),
            files={f"{directory}/{name}": text for name, text in command.files.items()},
            runs_in=runtime.image or runtime.origin,
            engine_version=runtime.version,
            port=port,
            has_files=path is not None,
            has_engine=seat is not None,
        )


def chosen_devices(assignment: Assignment, devices: Sequence[DeviceInfo]) -> tuple[DeviceInfo, ...]:
    """Return the devices that an assignment names. Raises LaunchFailed when one is gone."""
    found = {device.uuid: device for device in devices}
    gone = [uuid for uuid in assignment.device_uuids if uuid not in found]
    if gone:  # with fewer it would run on others' memory, or on the processor
        raise LaunchFailed(f"devices that it was given are not found any more: {', '.join(gone)}")
    return tuple(found[uuid] for uuid in assignment.device_uuids)


def _pretended(query: RenderCommand) -> Assignment:
    """Return what the scheduler would tell this node; in the place of the engine's key, which nobody made, the mask."""
    return Assignment(
        replica_id=_REPLICA,
        deployment_id="",
        deployment_name=query.deployment_name,
        version=query.version,
        desired=Desired.RUN,
        reason=Reason.PLACED,
        device_uuids=query.device_uuids,
        engine_api_key=MASK,
        gang=query.gang,
    )
