"""Which model files to fetch, pause, drop and remove: `decide(view, now) -> Plan`.

What replicas wait for goes before what was ordered ahead of need, and interrupts it when there is no room beside it:
what was fetched so far is kept. Among equals, who came first goes first.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from roundhouse_common.contracts.catalog import ModelSource
from roundhouse_common.contracts.provisioning import FileOrder, FilesState, FileWish, Peer
from roundhouse_common.model_sources import source_key

__all__ = [
    "Action",
    "DropParts",
    "Failure",
    "Fetch",
    "Held",
    "Interrupt",
    "Need",
    "Plan",
    "Remove",
    "Running",
    "Standing",
    "View",
    "Wanted",
    "decide",
    "is_blocked",
    "retry_pause_s",
    "wanted_of",
]

_WISH_RANK = {FileWish.FETCH: 0, FileWish.PAUSE: 1, FileWish.CANCEL: 2, FileWish.REMOVE: 3, FileWish.UNKNOWN: 4}
_FIRST_PAUSE_S = 5.0
_LONGEST_PAUSE_S = 300.0
_OTHERS_FIRST = "waits until other transfers are done"
_REPLICA_FIRST = "waits until files that replicas need are fetched"
_KEPT = "nobody asks for it any more; what was fetched is kept"
_PAUSED = "paused; what was fetched is kept"
_STILL_USED = "it is removed as soon as no replica uses it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """A replica waits for these files."""

    source: ModelSource
    name: str
    since: float
    peers: tuple[Peer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is wanted of one source's files, by whomever."""

    key: str
    source: ModelSource
    name: str
    wish: FileWish = FileWish.UNKNOWN
    """Of the orders; UNKNOWN: nobody ordered anything."""
    order_id: str = ""
    attempt: int = 0
    peers: tuple[Peer, ...] = ()
    needed_since: float | None = None
    """Since when the first replica waits; None: no replica does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What the store has of one source's files."""

    is_whole: bool
    has_parts: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A transfer that runs now."""

    started_at: float
    had_peers: bool = False
    """Whether it was told of nodes to copy from."""
    is_ending: bool = False
    """It was interrupted and is about to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """How the last transfer of a key ended badly."""

    at: float
    attempt: int
    """Of the order at that time; 0 without one."""
    count: int
    """In a row."""
    message: str
    is_retryable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Everything the decision depends on, by key."""

    wanted: Mapping[str, Wanted]
    held: Mapping[str, Held] = field(default_factory=dict)
    running: Mapping[str, Running] = field(default_factory=dict)
    failures: Mapping[str, Failure] = field(default_factory=dict)
    used: frozenset[str] = frozenset()
    """Keys whose files a replica has."""
    at_once: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupt:
    """End the transfer; what was fetched is kept."""

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DropParts:
    """Delete what is not whole."""

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove:
    """Delete the files, and what is not whole of them."""

    key: str


Action = Fetch | Interrupt | DropParts | Remove


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one key stands, for people."""

    state: FilesState
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    actions: tuple[Action, ...] = ()
    standings: Mapping[str, Standing] = field(default_factory=dict)
    """Of every key that is wanted or held. What is absent is gone."""


def wanted_of(orders: Iterable[FileOrder], needs: Sequence[Need]) -> dict[str, Wanted]:
    """Return what orders and replicas want together. Of several orders for one source, who wants most decides."""
    wanted: dict[str, Wanted] = {}
    peers: dict[str, tuple[Peer, ...]] = {}
    for order in sorted(orders, key=lambda order: (_WISH_RANK[order.wish], order.order_id)):
        key = source_key(order.source)
        peers[key] = tuple(dict.fromkeys((*peers.get(key, ()), *order.peers)))
        if order.order_id and key not in wanted:
            wanted[key] = Wanted(
                key=key,
                source=order.source,
                name=order.name,
                wish=order.wish,
                order_id=order.order_id,
                attempt=order.attempt,
            )
    for need in sorted(needs, key=lambda need: need.since):
        key = source_key(need.source)
        known = wanted.get(key) or Wanted(key=key, source=need.source, name=need.name)
        since = need.since if known.needed_since is None else known.needed_since
        wanted[key] = replace(known, needed_since=since)
        peers[key] = tuple(dict.fromkeys((*peers.get(key, ()), *need.peers)))
    return {key: replace(item, peers=peers.get(key, ())) for key, item in wanted.items()}


def decide(view: View, now: float) -> Plan:
    """Return what to do now, and how each key stands meanwhile."""
    actions = [action for key in sorted({*view.wanted, *view.running}) if (action := _end_of(view, key)) is not None]
    due = sorted((item for item in view.wanted.values() if _is_due(view, item, now)), key=_precedence)
    ending = {action.key for action in actions if isinstance(action, Interrupt)}
    ending |= {key for key, running in view.running.items() if running.is_ending}
    started, preempted = _fill(view, due, ending)
    actions += [Fetch(key=key) for key in started]
    actions += [Interrupt(key=key) for key in preempted]
    standings = {
        key: standing
        for key in sorted({*view.wanted, *view.held, *view.running})
        if (standing := _standing(view, key, now, frozenset(started), frozenset(preempted))) is not None
    }
    return Plan(actions=tuple(actions), standings=standings)


def is_blocked(failure: Failure | None, wanted: Wanted, now: float) -> bool:
    """Whether a failure still keeps the files from being tried again."""
    if failure is None or wanted.attempt > failure.attempt:
        return False
    if wanted.needed_since is not None and wanted.needed_since > failure.at:
        return False
    return not failure.is_retryable or now < failure.at + retry_pause_s(failure.count)


def retry_pause_s(failures: int) -> float:
    """Return how long after so many failures in a row the next try waits."""
    return min(_FIRST_PAUSE_S * 2.0 ** min(failures - 1, 10), _LONGEST_PAUSE_S)


def _is_fetched(item: Wanted) -> bool:
    """Whether somebody wants the files whole. A pause holds for replicas too."""
    if item.wish is FileWish.PAUSE:
        return False
    return item.wish is FileWish.FETCH or item.needed_since is not None


def _end_of(view: View, key: str) -> Action | None:
    """Return what ends something of this key, whatever else happens."""
    item, running, held = view.wanted.get(key), view.running.get(key), view.held.get(key)
    if running is not None:
        if running.is_ending:
            return None
        is_near = item is not None and bool(item.peers) and not running.had_peers
        return Interrupt(key=key) if item is None or not _is_fetched(item) or is_near else None
    if item is None or held is None or item.needed_since is not None:
        return None
    if item.wish is FileWish.REMOVE and key not in view.used:
        return Remove(key=key)
    return DropParts(key=key) if item.wish is FileWish.CANCEL and held.has_parts else None


def _is_due(view: View, item: Wanted, now: float) -> bool:
    held = view.held.get(item.key)
    is_here = (held is not None and held.is_whole) or item.key in view.running
    return not is_here and _is_fetched(item) and not is_blocked(view.failures.get(item.key), item, now)


def _precedence(item: Wanted) -> tuple[bool, float, str, str]:
    return (item.needed_since is None, item.needed_since or 0.0, item.order_id, item.key)


def _fill(view: View, due: Sequence[Wanted], ending: set[str]) -> tuple[list[str], list[str]]:
    """Return which of the due ones start now, and which running ones make room for those that replicas wait for."""
    free = max(0, view.at_once - len(view.running))
    started = [item.key for item in due[:free]]
    urgent = [item for item in due[free:] if item.needed_since is not None]
    lacking = len(urgent) - len(ending & view.running.keys())
    ahead_of_need = [
        (running.started_at, key)
        for key, running in view.running.items()
        if key not in ending and (item := view.wanted.get(key)) is not None and item.needed_since is None
    ]
    youngest = [key for _, key in sorted(ahead_of_need, reverse=True)]
    return started, youngest[: max(0, lacking)]


def _standing(view: View, key: str, now: float, started: frozenset[str], preempted: frozenset[str]) -> Standing | None:
    item, held = view.wanted.get(key), view.held.get(key)
    if held is not None and held.is_whole:
        is_leaving = item is not None and item.wish is FileWish.REMOVE
        return Standing(state=FilesState.READY, detail=_STILL_USED if is_leaving else "")
    if item is None or not _is_fetched(item):
        if item is not None and item.wish is FileWish.PAUSE:
            return Standing(state=FilesState.PAUSED, detail=_PAUSED)
        has_parts = key in view.running or (held is not None and held.has_parts)
        is_dropped = item is not None and item.wish in (FileWish.CANCEL, FileWish.REMOVE)
        return Standing(state=FilesState.PAUSED, detail=_KEPT) if has_parts and not is_dropped else None
    running = view.running.get(key)
    if key in started or (running is not None and not running.is_ending and key not in preempted):
        return Standing(state=FilesState.FETCHING)
    failure = view.failures.get(key)
    if failure is not None and is_blocked(failure, item, now):
        if not failure.is_retryable:
            return Standing(state=FilesState.FAILED, detail=failure.message)
        return Standing(state=FilesState.WAITING, detail=f"{failure.message}; it is tried again by itself")
    is_behind = item.needed_since is None and any(other.needed_since is not None for other in view.wanted.values())
    return Standing(state=FilesState.WAITING, detail=_REPLICA_FIRST if is_behind else _OTHERS_FIRST)
