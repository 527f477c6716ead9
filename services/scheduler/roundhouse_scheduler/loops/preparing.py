"""What nodes do before engines start, as far as it can be heard: transfers of files, installations of engines.

In memory only, in every scheduler: a lost message costs nothing, the next one says more.
"""

from collections.abc import Mapping
from typing import Final

from roundhouse_common.contracts.provisioning import FilesState, NodeStore, TransferProgress
from roundhouse_common.runtime import Clock
from roundhouse_scheduler.domain.provisioning.preparing import INSTALLING, engine_key

__all__ = ["Preparing"]

_LIVE_S: Final = 10.0
"""A message so old says nothing of now; nodes send one about every second."""
_WAITS_S: Final = 60.0
"""What waits for other transfers of its node goes on while one of these came further so lately."""
_STEP_S: Final = 1800.0
"""So long one step of an installation may take: it tells nothing of how far it is."""
_KEPT_S: Final = 86_400.0
_MOST: Final = 50_000

Place = tuple[str, str]
"""A node and what it prepares: a key of files, or of an engine."""


class Preparing:
    """When each preparation last came further, by the scheduler's own clock, and what was said of it last."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._said: dict[Place, tuple[TransferProgress, float]] = {}
        self._bytes: dict[tuple[Place, bool], int] = {}
        """By place, as told live or as reported: a report may be older than what was told live before it."""
        self._steps: dict[Place, tuple[tuple[str, ...], float]] = {}
        self._advanced: dict[Place, float] = {}

    @property
    def advances(self) -> Mapping[Place, float]:
        """Unix seconds at which a preparation was last seen to come further."""
        return self._advanced

    async def take_progress(self, message: TransferProgress, ids: tuple[str, ...]) -> None:
        """A node says how far it is with a model's files."""
        if ids != (message.node_id,):
            return
        place = (message.node_id, message.key)
        self._said[place] = (message, self._clock.monotonic())
        self._count(place, message.stored_bytes, is_live=True)
        self._bound()

    def live(self, node_id: str, key: str) -> TransferProgress | None:
        """Return how far a transfer is now; None when none was heard of lately."""
        message, heard_at = self._said.get((node_id, key), (None, 0.0))
        return message if self._clock.monotonic() - heard_at <= _LIVE_S else None

    def take_store(self, store: NodeStore) -> None:
        """A node says what it keeps: what grew has come further, and so has what waits for that."""
        now = self._clock.now()
        for model in store.models:
            place = (store.node_id, model.key)
            if model.state is FilesState.FETCHING:
                self._count(place, model.stored_bytes, is_live=False)
            elif model.state is FilesState.WAITING:
                others = (self._advanced.get((store.node_id, item.key), 0.0) for item in store.models)
                if now - max(others, default=0.0) <= _WAITS_S and self._is_fetching(store):
                    self._advanced[place] = now
        for item in store.engines:
            place = (store.node_id, engine_key(item.engine))
            if item.state in INSTALLING:
                self._step(place, (item.environment_id, item.state.value, item.step, str(item.size_bytes)), now)

    def _is_fetching(self, store: NodeStore) -> bool:
        return any(model.state is FilesState.FETCHING for model in store.models)

    def _count(self, place: Place, stored_bytes: int, *, is_live: bool) -> None:
        """More than before is an advance, and so is a beginning; fewer bytes are a new beginning."""
        before = self._bytes.get((place, is_live))
        self._bytes[place, is_live] = stored_bytes
        if before is None or stored_bytes > before:
            self._advanced[place] = self._clock.now()

    def _step(self, place: Place, step: tuple[str, ...], now: float) -> None:
        known, began_at = self._steps.get(place, ((), now))
        if known != step:
            self._steps[place] = (step, now)
            self._advanced[place] = now
        elif now - began_at <= _STEP_S:
            self._advanced[place] = now

    def _bound(self) -> None:
        """Forget what nobody can want to know any more."""
        if len(self._said) > _MOST:
            old = self._clock.monotonic() - _LIVE_S
            self._said = {place: item for place, item in self._said.items() if item[1] >= old}
        if len(self._bytes) > _MOST:
            old = self._clock.now() - _KEPT_S
            self._bytes = {key: value for key, value in self._bytes.items() if self._advanced.get(key[0], 0.0) >= old}
            self._advanced = {key: at for key, at in self._advanced.items() if at >= old}
