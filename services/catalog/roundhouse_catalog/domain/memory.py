"""How much memory a replica claims: what somebody stated, or what follows from the model's files. Never a guess."""

from collections.abc import Mapping
from dataclasses import dataclass

from roundhouse_catalog.domain.drafts import ResourcesDraft, VersionDraft
from roundhouse_catalog.domain.findings import Findings, quoted
from roundhouse_catalog.domain.models import Model
from roundhouse_common.contracts.catalog import EngineKind, MemoryNeed

__all__ = ["Memory", "check_memory", "memory_of", "needs_memory"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What one replica claims of each device, or of the host without devices."""

    each_bytes: int
    need: MemoryNeed | None = None
    """What it is made of, when it follows from the model's files."""


def needs_memory(draft: VersionDraft, model: Model) -> bool:
    """Whether the memory must follow from the model's files, since nobody stated it."""
    ways = (draft.resources, *(each.resources for each in draft.alternatives))
    return model.memory_bytes == 0 and any(one.memory_bytes is None for one in ways)


def check_memory(
    engine: EngineKind, draft: VersionDraft, model: Model, findings: Findings, *, unread: str = ""
) -> None:
    """Record where the memory is neither stated nor known. `unread`: why the model's files could not be read."""

    def fault(resources: ResourcesDraft, parameters: Mapping[str, str]) -> str | None:
        found = _found(engine, resources, parameters, model)
        if isinstance(found, str):
            return f"{found} ({unread})" if unread else found
        return None

    findings.add("resources.memory_bytes", fault(draft.resources, draft.parameters))
    for index, one in enumerate(draft.alternatives):
        parameters = {**draft.parameters, **one.parameters}
        findings.add(f"alternatives.{index}.resources.memory_bytes", fault(one.resources, parameters))


def memory_of(engine: EngineKind, resources: ResourcesDraft, parameters: Mapping[str, str], model: Model) -> Memory:
    """Return the memory of what `check_memory` found no fault in."""
    found = _found(engine, resources, parameters, model)
    assert isinstance(found, Memory), found  # `check_memory` found a fault otherwise
    return found


def _found(engine: EngineKind, resources: ResourcesDraft, parameters: Mapping[str, str], model: Model) -> Memory | str:
    if resources.memory_bytes is not None:
        return Memory(each_bytes=resources.memory_bytes)
    if model.memory_bytes:
        return Memory(each_bytes=model.memory_bytes)
    return (
        f"the memory that {quoted(model.name)} needs is not known; state it here in bytes, "
        "or set memory_bytes of the model"
    )
