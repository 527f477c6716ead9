"""Keeping ready what is ordered and needed, and telling how that stands."""

import asyncio

import msgspec
import structlog

from roundhouse_common.bus.api import BusUnavailable, MessageTooLarge
from roundhouse_common.contracts.provisioning import FilesState, NodeStore, StoredModel, TransferProgress
from roundhouse_common.contracts.registry import STORES, TRANSFER_PROGRESS
from roundhouse_common.contracts.scheduler import Desired
from roundhouse_common.model_sources import source_key
from roundhouse_node_agent.context import AgentContext
from roundhouse_node_agent.domain.keeper import Contents, Keeper
from roundhouse_node_agent.loops.waiting import wait_until_due

__all__ = ["run", "run_progress", "run_telling", "used_by"]

_log = structlog.get_logger(__name__)
_TELL_EVERY_S = 30.0


async def run(agent: AgentContext, keeper: Keeper) -> None:
    """Act on orders and needs until cancelled. Files that a replica has are in use as long as it is active."""
    await keeper.run(lambda: used_by(agent))


def used_by(agent: AgentContext) -> frozenset[str]:
    """Return the keys of the files that replicas here have, are about to have, or start with again.

    After a start of the machine no engine runs, and before the scheduler was heard nobody knows which will: until then
    every replica that was here counts.
    """
    here = [one.assignment for one in agent.replicas.values() if one.is_active or agent.wanted is None]
    wanted = agent.wanted.assignments if agent.wanted is not None else ()
    due = [assignment for assignment in wanted if assignment.desired is Desired.RUN]
    return frozenset(source_key(assignment.version.source) for assignment in (*here, *due))


async def run_telling(agent: AgentContext, keeper: Keeper) -> None:
    """Write what is kept at every change, at most once a second, and regularly without one."""
    told: Contents | None = None
    told_at = float("-inf")
    while True:
        await wait_until_due(agent.store_due, agent.options.store_look_s)
        contents, now = keeper.contents(), agent.clock.monotonic()
        if contents is None or agent.registered is None or agent.is_superseded:
            continue
        is_told = agent.is_store_told and _settled(contents) == told and now - told_at < _TELL_EVERY_S
        if is_told:
            continue
        agent.is_store_told = True  # before the write: a connection that comes back during it counts
        if await _tell(agent, contents):
            told, told_at = _settled(contents), now
        else:
            agent.is_store_told = False
        await asyncio.sleep(agent.options.store_look_s)


async def run_progress(agent: AgentContext, keeper: Keeper) -> None:
    """Tell about once a second how far each transfer is."""
    while True:
        await asyncio.sleep(agent.options.progress_interval_s)
        if agent.registered is None or agent.is_superseded:
            continue
        for transfer in keeper.transfers():
            progress = TransferProgress(
                node_id=agent.node_id,
                key=transfer.key,
                stored_bytes=transfer.stored_bytes,
                total_bytes=transfer.total_bytes,
                rate_bytes_s=transfer.rate_bytes_s,
                left_s=transfer.left_s,
                origin=transfer.origin,
            )
            await agent.bus.signal(TRANSFER_PROGRESS, progress, agent.node_id)


async def _tell(agent: AgentContext, contents: Contents) -> bool:
    agent.stores_told += 1
    document = NodeStore(
        node_id=agent.node_id,
        incarnation=agent.incarnation,
        sequence=agent.stores_told,
        at=agent.clock.now(),
        orders_revision=contents.orders_revision,
        disk_total_bytes=contents.disk_total_bytes,
        disk_free_bytes=contents.disk_free_bytes,
        engines=contents.engines,
        models=contents.models,
        files_url=contents.files_url,
        files_token=contents.files_token,
    )
    try:
        await agent.bus.bucket(STORES).put(agent.node_id, document)
    except (BusUnavailable, MessageTooLarge) as error:
        _log.warning("store_not_told", why=error.message)
        return False
    return True


def _settled(contents: Contents) -> Contents:
    """Return what counts as a change: not how far transfers are, nor what is free on the disk."""
    return Contents(
        orders_revision=contents.orders_revision,
        engines=contents.engines,
        models=tuple(_still(model) for model in contents.models),
        files_url=contents.files_url,
        files_token=contents.files_token,
    )


def _still(model: StoredModel) -> StoredModel:
    return msgspec.structs.replace(model, stored_bytes=0) if model.state is FilesState.FETCHING else model
