"""The commands in `/placements:dryRun`: the chosen nodes are asked, since only a node knows its engines and files."""

import asyncio
from collections.abc import Mapping

from roundhouse_common.bus.api import BusUnavailable, RemoteError
from roundhouse_common.contracts.catalog import Alternative, EngineKind, ModelKind, Resources, VersionSpec
from roundhouse_common.contracts.commands import CommandRendered, RenderCommand
from roundhouse_common.contracts.registry import RENDER_COMMAND
from roundhouse_common.contracts.scheduler import GangMembership
from roundhouse_scheduler.api.command_views import CommandView, WantedCommand
from roundhouse_scheduler.api.placement_views import DryRun, DryRunView, PlacedView
from roundhouse_scheduler.api.seen import Scheduler
from roundhouse_scheduler.domain.documents import as_placed
from roundhouse_scheduler.domain.gangs.place import FIRST_PORT
from roundhouse_scheduler.domain.records import Node

__all__ = ["with_commands"]

_MOST_COMMANDS = 16
"""Replicas of one version differ little: nobody reads a thousand of them."""


async def with_commands(
    scheduler: Scheduler, asked: DryRun, wanted: WantedCommand, found: DryRunView, nodes: Mapping[str, Node]
) -> DryRunView:
    """Return the answer with the commands of the first replicas that were placed. A node that does not answer takes
    only its own command with it."""
    version = _version(asked, wanted)
    queries = [
        (one.node_id, _query(wanted, as_placed(version, one.alternative), one, found.placed, nodes))
        for one in found.placed[:_MOST_COMMANDS]
    ]
    told = await asyncio.gather(*(_told(scheduler, node_id, query) for node_id, query in queries))
    for one, answer in zip(found.placed, told, strict=False):
        one.command = CommandView.of(answer)
    return found


async def _told(scheduler: Scheduler, node_id: str, query: RenderCommand) -> CommandRendered:
    try:
        return await scheduler.bus.request(RENDER_COMMAND, query, node_id, timeout_s=scheduler.log_timeout_s)
    except BusUnavailable:
        return CommandRendered(error=f"the node {node_id} does not answer; or its agent is older and cannot tell")
    except RemoteError as error:
        return CommandRendered(error=error.message)


def _query(
    wanted: WantedCommand, version: VersionSpec, one: PlacedView, placed: list[PlacedView], nodes: Mapping[str, Node]
) -> RenderCommand:
    members = [other for other in placed if other.replica == one.replica]
    gang = None
    if len(members) > 1:
        address = nodes[members[0].node_id].inventory.address
        gang = GangMembership(
            gang_id="REPLICA", epoch=1, rank=one.rank, size=len(members), address=address, port=FIRST_PORT
        )
    return RenderCommand(
        deployment_name=wanted.deployment_name,
        version=version,
        device_uuids=tuple(device.uuid for device in one.devices),
        gang=gang,
    )


def _version(asked: DryRun, wanted: WantedCommand) -> VersionSpec:
    """Return the version that the catalog would make."""
    return VersionSpec(
        version_id="",
        number=0,
        model_id="",
        model_name=wanted.model_name,
        model_kind=ModelKind(asked.model_kind),
        source=wanted.model_source,
        context_length=wanted.context_length,
        engine=EngineKind(asked.engine),
        parameters=asked.parameters,
        resources=Resources(**asked.resources.model_dump()),
        alternatives=tuple(
            Alternative(
                name=one.name,
                device_vendor=one.device_vendor,
                device_model=one.device_model,
                resources=Resources(**one.resources.model_dump()),
                parameters=one.parameters,
                memory_need=asked.need_of(one.name),
            )
            for one in asked.alternatives
        ),
        memory_need=asked.need_of(""),
        engine_version=asked.engine_version,
        installs_engine=asked.installs_engine,
        defaults=wanted.defaults,
        architecture=wanted.architecture,
    )
