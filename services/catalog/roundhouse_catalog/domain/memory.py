"""How much memory a replica claims: what somebody stated, or what follows from the model's files. Never a guess."""

from dataclasses import dataclass

from roundhouse_catalog.domain.drafts import VersionDraft, Way
from roundhouse_catalog.domain.findings import Findings, quoted
from roundhouse_catalog.domain.models import Model
from roundhouse_common.contracts.catalog import EngineKind, MemoryNeed, Resources
from roundhouse_common.sizing import Unknown, need_of_version

__all__ = ["Memory", "check_memory", "memory_of", "needs_memory"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What one replica claims of each device, or of the host without devices."""

    each_bytes: int
    need: MemoryNeed | None = None
    """What it is made of, when it follows from the model's files."""


def needs_memory(draft: VersionDraft, model: Model) -> bool:
    """Whether the memory must follow from the model's files, since nobody stated it."""
    return model.memory_bytes == 0 and any(way.resources.memory_bytes is None for way in draft.ways)


def check_memory(
    engine: EngineKind, draft: VersionDraft, model: Model, findings: Findings, *, unread: str = ""
) -> None:
    """Record where the memory is neither stated nor known. `unread`: why the model's files could not be read."""
    for way in draft.ways:
        found = _found(engine, way, model)
        if isinstance(found, str):
            findings.add(f"{way.path}resources.memory_bytes", f"{found} ({unread})" if unread else found)


def memory_of(engine: EngineKind, way: Way, model: Model) -> Memory:
    """Return the memory of what `check_memory` found no fault in."""
    found = _found(engine, way, model)
    assert isinstance(found, Memory), found  # `check_memory` found a fault otherwise
    return found


def _found(engine: EngineKind, way: Way, model: Model) -> Memory | str | None:
    resources = way.resources
    if resources.memory_bytes is not None:
        return Memory(each_bytes=resources.memory_bytes)
    if model.memory_bytes:
        return Memory(each_bytes=model.memory_bytes)
    advice = "state it here in bytes, or set memory_bytes of the model"
    if model.facts is None:
        return f"the memory that {quoted(model.name)} needs is not known; {advice}"
    claimed = Resources(memory_bytes=0, device_count=resources.device_count, node_count=resources.node_count)
    try:
        need = need_of_version(
            model.facts,
            engine=engine,
            parameters=way.parameters,
            resources=claimed,
            context_length=model.known_context_length,
            model_kind=model.kind,
        )
    except ValueError:
        return None  # a parameter that is no number, which is a fault of its own
    if isinstance(need, Unknown):
        return f"the memory that {quoted(model.name)} needs cannot be computed: {need}; {advice}"
    return Memory(each_bytes=need.total_bytes, need=need)
