"""Who made and who last changed a thing, and how often it changed."""

from dataclasses import dataclass, replace

from roundhouse_common.runtime import UnixTime

__all__ = ["History"]


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Of one thing that is changed with If-Match."""

    generation: int = 1
    """Grows by one with every change."""
    created_at: UnixTime
    created_by: str
    updated_at: UnixTime
    updated_by: str

    @classmethod
    def begun(cls, now: UnixTime, actor: str) -> "History":
        return cls(created_at=now, created_by=actor, updated_at=now, updated_by=actor)

    def next(self, now: UnixTime, actor: str) -> "History":
        """Return it after one more change."""
        return replace(self, generation=self.generation + 1, updated_at=now, updated_by=actor)
