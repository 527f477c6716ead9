"""What flights find out once for all that are like them."""

from typing import Final

from roundhouse_router.domain.targets import Resolution
from roundhouse_router.metrics import Series
from roundhouse_router.store.frames import AdmissionFrame, RecordFrame

__all__ = ["Alike", "alike_of"]

_FRAMES_MOST: Final = 1000
"""Kept for one resolution: replicas come and go."""


class Alike:
    """What flights share that were asked for alike: the same key, model, path, and whether it is a stream."""

    __slots__ = ("admission", "records", "series")

    def __init__(self) -> None:
        self.admission: AdmissionFrame | None = None
        self.records: dict[str, RecordFrame] = {}
        """By endpoint, as the next ones."""
        self.series: dict[str, Series] = {}
        """What counts those that are recorded by a frame."""

    def keep(self, endpoint_id: str, frame: RecordFrame) -> None:
        """Keep the frame for an endpoint. It may be another engine now, so what counts it is looked up anew."""
        if len(self.records) >= _FRAMES_MOST:
            self.records.clear()
        self.records[endpoint_id] = frame
        self.series.clear()


def alike_of(resolution: Resolution, path: str, is_stream: bool) -> Alike:
    """Return what is shared by those that go this way; it is forgotten with the resolution."""
    found = resolution.kept.get((path, is_stream))
    if not isinstance(found, Alike):
        found = resolution.kept[path, is_stream] = Alike()
    return found
