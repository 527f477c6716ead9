"""What a replica waits for before its engine starts, files and the engine itself, and how far that is, in words."""

import functools
from collections.abc import Iterable, Mapping
from typing import Final

from roundhouse_common.contracts.catalog import REMOTE_SOURCES, ModelSource, VersionSpec
from roundhouse_common.contracts.provisioning import (
    EngineEnvironment,
    EnvironmentState,
    FilesState,
    StoredModel,
    TransferProgress,
)
from roundhouse_common.model_sources import source_key
from roundhouse_scheduler.domain.records import Replica

__all__ = [
    "INSTALLING",
    "engine_key",
    "files_key",
    "installation_words",
    "last_advance",
    "paused_words",
    "preparing_keys",
    "progress_words",
]

INSTALLING: Final = frozenset({EnvironmentState.WAITING, EnvironmentState.INSTALLING, EnvironmentState.VERIFYING})
_UNITS = (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("B", 1.0))
_MINUTES_FROM_S = 600.0


def files_key(version: VersionSpec) -> str:
    """Return the key of the files that a node must fetch for a version; empty when they are on the node already."""
    return _key(version.source) if version.source.kind in REMOTE_SOURCES else ""


@functools.lru_cache(maxsize=4096)  # asked of every replica that is placed
def _key(source: ModelSource) -> str:
    return source_key(source)


def engine_key(engine: str) -> str:
    """Return what installations of an engine on one node are known by, beside the keys of files."""
    return f"engine:{engine}"


def preparing_keys(version: VersionSpec) -> tuple[str, ...]:
    """Return everything that a replica of this version may wait for on its node."""
    return tuple(key for key in (files_key(version), engine_key(version.engine.value)) if key)


def last_advance(
    replicas: Iterable[Replica], versions: Mapping[str, VersionSpec], advances: Mapping[tuple[str, str], float]
) -> float:
    """Return when anything that these replicas wait for on their nodes last came further; 0 when nothing did."""
    latest = 0.0
    for item in replicas:
        version = versions.get(item.version_id)
        if item.node_id and version is not None:
            latest = max(latest, *(advances.get((item.node_id, key), 0.0) for key in preparing_keys(version)))
    return latest


def progress_words(progress: TransferProgress) -> str:
    """Return e.g. `1.2 of 4.5 GB, 35 MB/s, 94 s left`."""
    parts = [_share(progress.stored_bytes, progress.total_bytes), f"{_size(progress.rate_bytes_s)}/s"]
    if progress.left_s >= 0:
        parts.append(f"{_time(progress.left_s)} left")
    return ", ".join(parts)


def installation_words(engine: str, environments: Iterable[EngineEnvironment]) -> str:
    """Return what is being done about an engine on a node; empty when nothing is."""
    for item in environments:
        if item.engine == engine and item.state in INSTALLING:
            name = " ".join(part for part in (engine, item.version) if part)
            return f"{name}: {item.step or item.state.value}"
    return ""


def paused_words(key: str, models: Iterable[StoredModel]) -> str:
    """Return what somebody has to do before the files come; empty when they are not paused."""
    for item in models:
        if item.key == key and item.state is FilesState.PAUSED:
            return f"fetching its files is paused; `roundhouse files resume {item.name}` goes on with it"
    return ""


def _share(stored_bytes: int, total_bytes: int) -> str:
    if total_bytes <= 0:
        return f"{_size(stored_bytes)} so far"
    unit, divisor = _unit(total_bytes)
    digits = 0 if divisor == 1.0 else 1
    return f"{stored_bytes / divisor:.{digits}f} of {total_bytes / divisor:.{digits}f} {unit}"


def _size(amount_bytes: float) -> str:
    unit, divisor = _unit(amount_bytes)
    found = amount_bytes / divisor
    return f"{found:.1f} {unit}" if found < 10 and divisor > 1.0 else f"{found:.0f} {unit}"


def _unit(amount_bytes: float) -> tuple[str, float]:
    return next((item for item in _UNITS if amount_bytes >= item[1]), _UNITS[-1])


def _time(left_s: float) -> str:
    return f"{left_s:.0f} s" if left_s < _MINUTES_FROM_S else f"{left_s / 60:.0f} min"
