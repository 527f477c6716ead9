"""Ledger against engines: how far what was recorded differs from what engines counted, and what that may come from."""

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

__all__ = [
    "Cause",
    "Compared",
    "EngineRow",
    "EngineState",
    "Facts",
    "Possible",
    "Side",
    "Tolerance",
    "compared",
    "engine_row",
    "summed",
]


class EngineState(enum.StrEnum):
    """From the best to the worst, and last what says nothing."""

    EQUAL = "equal"
    WITHIN_TOLERANCE = "within-tolerance"
    EXPLAINED = "explained"
    """The difference is not larger than what its causes can make."""
    DIFFERS = "differs"
    NOT_COMPARABLE = "not-comparable"


class Cause(enum.StrEnum):
    """What makes the two differ without an error."""

    ENDED_EARLY = "ended-early"
    """Requests that failed or were aborted: the engine computed more than was delivered. At most the longest of the
    time, for each."""
    RETRIED = "retried"
    """Requests that several replicas worked for: the ledger has all of them at the last one."""
    ROUTER_DIED = "router-died"
    """Requests whose router died: nobody knows which replica of the deployment worked for them, and how much."""
    UNDER_WAY = "under-way"
    """Requests at the edges of the time: counted on one side of it and recorded on the other."""
    NOT_READ = "not-read"
    """Recorded after the engine's counters were read last: it died, or its node was away."""
    READ_LATE = "read-late"
    """Counters that were not read for a while around an edge of the time: their growth is spread evenly."""
    ESTIMATED = "estimated"
    """Tokens that the engine did not state and the router estimated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """A difference up to the larger of the two is none."""

    share: float = 0.005
    tokens: int = 500

    def of(self, counted: int, recorded: int) -> int:
        return max(self.tokens, int(self.share * max(counted, recorded)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Possible:
    """How many tokens a cause can make at most: that the engine counted more, and that it counted less."""

    cause: Cause
    more: int = 0
    less: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Tokens of one kind. `difference` = counted - recorded."""

    counted: int
    recorded: int
    difference: int
    unexplained: int
    """What is left of the difference when every cause made as much as it can."""
    state: EngineState
    causes: tuple[tuple[Cause, int], ...] = ()
    """What can make a difference of this sign, and up to how much."""


def compared(counted: int, recorded: int, possible: Sequence[Possible], tolerance: Tolerance) -> Compared:
    """Compare, and judge."""
    difference = counted - recorded
    is_more = difference > 0
    causes = tuple((one.cause, one.more if is_more else one.less) for one in possible)
    causes = tuple((cause, tokens) for cause, tokens in causes if tokens > 0) if difference else ()
    rest = max(0, abs(difference) - sum(tokens for _, tokens in causes))
    allowed = tolerance.of(counted, recorded)
    if difference == 0:
        state = EngineState.EQUAL
    elif abs(difference) <= allowed:
        state = EngineState.WITHIN_TOLERANCE
    else:
        state = EngineState.EXPLAINED if rest <= allowed else EngineState.DIFFERS
    return Compared(
        counted=counted,
        recorded=recorded,
        difference=difference,
        unexplained=rest if is_more else -rest,
        state=state,
        causes=causes,
    )


@dataclass(slots=True, kw_only=True)
class Side:
    """Tokens of one kind, of one replica and time: what was counted (None: its engine does not tell), what was
    recorded, and what the causes go by."""

    counted: int | None = None
    recorded: int = 0
    largest: int = 0
    """Of one request."""
    edges: int = 0
    not_read: int = 0
    gaps: int = 0
    estimated: int = 0


@dataclass(slots=True, kw_only=True)
class Facts:
    """What is known of one replica and time."""

    at: int | None
    replica_id: str
    deployment_id: str = ""
    node_id: str = ""
    engine: str = ""
    """Empty: its node told nothing of it."""
    read_at: float | None = None
    requests: int = 0
    ended_early: int = 0
    retried: int = 0
    retried_near: int = 0
    """In its whole deployment, as below."""
    lost_near: int = 0
    """Requests whose router died."""
    input: Side = field(default_factory=Side)
    output: Side = field(default_factory=Side)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRow:
    """One line of the comparison: of a replica, or of what was summed."""

    at: int | None
    key: str
    deployment_id: str
    node_id: str
    engine: str
    read_at: float | None
    requests: int
    replicas: int
    not_comparable: int
    """How many of the replicas are in no figure of the line."""
    state: EngineState
    why: str
    """Why it cannot be compared; else empty."""
    input: Compared | None
    output: Compared | None
    possible: tuple[tuple[Possible, ...], tuple[Possible, ...]] = ((), ())


_NO_READING = "no node told what its engine counts"
_NO_COUNTERS = "its engine tells no counters"


def engine_row(facts: Facts, tolerance: Tolerance) -> EngineRow:
    """Return the line of one replica."""
    possible = (_possible(facts, facts.input), _possible(facts, facts.output))
    sides = [
        compared(side.counted, side.recorded, causes, tolerance) if side.counted is not None else None
        for side, causes in zip((facts.input, facts.output), possible, strict=True)
    ]
    is_comparable = any(side is not None for side in sides)
    why = "" if is_comparable else (_NO_COUNTERS if facts.engine else _NO_READING)
    return EngineRow(
        at=facts.at,
        key=facts.replica_id,
        deployment_id=facts.deployment_id,
        node_id=facts.node_id,
        engine=facts.engine,
        read_at=facts.read_at,
        requests=facts.requests,
        replicas=1,
        not_comparable=0 if is_comparable else 1,
        state=_worst(sides),
        why=why,
        input=sides[0],
        output=sides[1],
        possible=possible,
    )


def summed(rows: Sequence[EngineRow], *, key: str, at: int | None, tolerance: Tolerance) -> EngineRow:
    """Return the sum of lines. What cannot be compared is in no figure, and counted."""
    sides = [
        _summed([(row.input, row.possible[0]) for row in rows], tolerance),
        _summed([(row.output, row.possible[1]) for row in rows], tolerance),
    ]
    is_comparable = any(side is not None for side in sides)
    read = [row.read_at for row in rows if row.read_at is not None]
    return EngineRow(
        at=at,
        key=key,
        deployment_id=_same(row.deployment_id for row in rows),
        node_id=_same(row.node_id for row in rows),
        engine=_same(row.engine for row in rows),
        read_at=max(read, default=None),
        requests=sum(row.requests for row in rows),
        replicas=sum(row.replicas for row in rows),
        not_comparable=sum(row.not_comparable for row in rows),
        state=_worst(sides),
        why="" if is_comparable or not rows else _same(row.why for row in rows) or _NO_COUNTERS,
        input=sides[0],
        output=sides[1],
    )


def _possible(facts: Facts, side: Side) -> tuple[Possible, ...]:
    return (
        Possible(cause=Cause.ENDED_EARLY, more=facts.ended_early * side.largest, less=0),
        Possible(cause=Cause.RETRIED, more=facts.retried_near * side.largest, less=facts.retried * side.largest),
        Possible(cause=Cause.ROUTER_DIED, more=facts.lost_near * side.largest),
        Possible(cause=Cause.UNDER_WAY, more=side.edges, less=side.edges),
        Possible(cause=Cause.NOT_READ, less=side.not_read),
        Possible(cause=Cause.READ_LATE, more=side.gaps, less=side.gaps),
        Possible(cause=Cause.ESTIMATED, more=side.estimated, less=side.estimated),
    )


def _summed(parts: Sequence[tuple[Compared | None, tuple[Possible, ...]]], tolerance: Tolerance) -> Compared | None:
    known = [(side, possible) for side, possible in parts if side is not None]
    if not known:
        return None
    most: dict[Cause, Possible] = {}
    for _, possible in known:
        for one in possible:
            before = most.get(one.cause, Possible(cause=one.cause))
            most[one.cause] = Possible(cause=one.cause, more=before.more + one.more, less=before.less + one.less)
    counted, recorded = sum(side.counted for side, _ in known), sum(side.recorded for side, _ in known)
    return compared(counted, recorded, tuple(most.values()), tolerance)


def _worst(sides: Iterable[Compared | None]) -> EngineState:
    order = list(EngineState)
    known = [side.state for side in sides if side is not None]
    return max(known, key=order.index, default=EngineState.NOT_COMPARABLE)


def _same(values: Iterable[str]) -> str:
    found = set(values)
    return found.pop() if len(found) == 1 else ""
