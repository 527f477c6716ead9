"""Replicas that wait for files or for their engine, with how far that is now as their detail."""

from collections.abc import Sequence

import msgspec

from roundhouse_common.contracts.catalog import VersionSpec
from roundhouse_common.contracts.scheduler import Phase, Reason
from roundhouse_common.database import ReadSession
from roundhouse_scheduler.api.seen import Scheduler
from roundhouse_scheduler.domain.provisioning.preparing import (
    files_key,
    installation_words,
    paused_words,
    progress_words,
)
from roundhouse_scheduler.domain.records import Replica
from roundhouse_scheduler.store.strangers import versions_by_id

__all__ = ["with_progress"]


async def with_progress(scheduler: Scheduler, session: ReadSession, replicas: Sequence[Replica]) -> list[Replica]:
    """Return the replicas; the detail of those that wait says how far what they wait for is, while nodes tell."""
    waiting = sorted({item.version_id for item in replicas if item.phase is Phase.FETCHING})
    versions = await versions_by_id(session, waiting) if waiting else {}
    return [_told(scheduler, item, versions.get(item.version_id)) for item in replicas]


def _told(scheduler: Scheduler, replica: Replica, version: VersionSpec | None) -> Replica:
    if version is None or replica.phase is not Phase.FETCHING:
        return replica
    words = ""
    store = scheduler.stores.get(replica.node_id)
    if replica.reason is Reason.INSTALLING_ENGINE:
        words = installation_words(version.engine.value, store.engines) if store is not None else ""
    elif key := files_key(version):
        progress = scheduler.live(replica.node_id, key)
        words = paused_words(key, store.models) if store is not None else ""
        words = words or (progress_words(progress) if progress is not None else "")
    return msgspec.structs.replace(replica, detail=words) if words else replica
