"""What routers tell of the demand, summed up per deployment, and what was made of it before.

Kept in memory only: a scheduler that has just started knows of no demand. How long it has listened is part of what it
hands out, so that nobody takes its ignorance for idleness.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from roundhouse_common.contracts.demand import DeploymentDemand, DeploymentWanted, RouterDemand
from roundhouse_common.runtime import Clock
from roundhouse_scheduler.domain.autoscale import Demand, Recommended
from roundhouse_scheduler.domain.plan import Advised

__all__ = ["DemandHearing"]

_MISSED_INTERVALS = 3
_WANTED_S = 3.0
"""How long a signalled wish counts; routers repeat it every second."""
_REMEMBERED_S = 3600.0
"""How long it is remembered at which load answers began too late, and what the load asked for (the longest window)."""


@dataclass(slots=True)
class _Router:
    """What one process of a router said last, and what it had said before."""

    message: RouterDemand
    heard_at: float
    is_known_from_start: bool
    """Its first message was heard: what a deployment had before its first mention is nothing."""
    now: dict[str, DeploymentDemand] = field(default_factory=dict)
    totals: dict[str, DeploymentDemand] = field(default_factory=dict)
    began: set[str] = field(default_factory=set)
    """Deployments for which requests came in the last interval."""
    first_tokens: dict[str, tuple[int, float]] = field(default_factory=dict)
    """In the last interval: how many answers began, and the sum of the times that took."""

    def is_live(self, now: float) -> bool:
        return now - self.heard_at <= _MISSED_INTERVALS * self.message.interval_s

    def take(self, message: RouterDemand, now: float) -> frozenset[str]:
        """Take in a newer message; return the deployments that it says something about."""
        mentioned = self.now.keys() | {item.deployment_id for item in message.deployments}
        self.message, self.heard_at = message, now
        self.first_tokens, self.began = {}, set()
        for item in message.deployments:
            before = self.totals.get(item.deployment_id)
            if before is not None or self.is_known_from_start:
                count = item.ttft_count_total - (before.ttft_count_total if before is not None else 0)
                total_s = item.ttft_sum_s_total - (before.ttft_sum_s_total if before is not None else 0.0)
                self.first_tokens[item.deployment_id] = (count, total_s)
            if before is None or item.started_total > before.started_total:
                self.began.add(item.deployment_id)
            self.totals[item.deployment_id] = item
        self.now = {item.deployment_id: item for item in message.deployments}
        return frozenset(mentioned)


@dataclass(slots=True)
class _Memory:
    """What must be known of a deployment from one look to the next. Times are monotonic but for `used_at`
    and `started_at`."""

    used_at: float = 0.0
    started_at: float = 0.0
    wanted: dict[str, tuple[int, float]] = field(default_factory=dict)
    """By router: how many requests it said it holds, and until when that counts."""
    history: list[Recommended] = field(default_factory=list)
    strained: tuple[float, float] | None = None


class DemandHearing(Mapping[str, Demand]):
    """The demand by deployment, summed up when it is asked for. `on_news` is told whose demand may have changed."""

    def __init__(self, *, clock: Clock, on_news: Callable[[str], None], is_connected: Callable[[], bool]) -> None:
        self._clock = clock
        self._on_news = on_news
        self._is_connected = is_connected
        self._routers: dict[str, _Router] = {}
        self._memories: dict[str, _Memory] = {}
        self._known_since: float | None = None

    def __getitem__(self, deployment_id: str) -> Demand:
        told = [router for router in self._routers.values() if deployment_id in router.now]
        memory = self._memories.get(deployment_id)
        if memory is None and not told:
            raise KeyError(deployment_id)
        return self._demand(deployment_id, told, memory or _Memory())

    def __iter__(self) -> Iterator[str]:
        found = set(self._memories)
        for router in self._routers.values():
            found |= router.now.keys()
        return iter(sorted(found))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    async def take_demand(self, message: RouterDemand, ids: tuple[str, ...]) -> None:
        """Take in what a router has to do. A new incarnation begins anew; an older message says nothing."""
        if ids != (message.router_id,):
            return
        now = self._clock.monotonic()
        self._forget_silent(now)
        known = self._routers.get(message.router_id)
        if known is None or known.message.incarnation != message.incarnation:
            gone = frozenset() if known is None else frozenset(known.now)
            known = _Router(message=message, heard_at=now, is_known_from_start=message.sequence == 1)
            self._routers[message.router_id] = known
        elif message.sequence <= known.message.sequence:
            return
        else:
            gone = frozenset()
        news = known.take(message, now) | gone
        for memory in self._memories.values():
            memory.wanted.pop(message.router_id, None)  # the message says what is held, to the last request
        for item in message.deployments:
            memory = self._memory(item.deployment_id)
            memory.used_at = self._clock.now()
            if item.deployment_id in known.began:
                memory.started_at = memory.used_at
        if self._known_since is None:
            self._known_since = now
        self._tell(news)

    async def take_wanted(self, message: DeploymentWanted, ids: tuple[str, ...]) -> None:
        """A request waits in a router for a deployment without a replica."""
        if ids != (message.deployment_id,):
            return
        memory = self._memory(message.deployment_id)
        now = self._clock.monotonic()
        held, until = memory.wanted.get(message.router_id, (0, now))
        memory.wanted[message.router_id] = (message.held, now + _WANTED_S)
        memory.used_at = self._clock.now()
        if message.held > (held if until > now else 0) and not self._is_told(message):
            memory.started_at = memory.used_at
        self._tell({message.deployment_id})

    def known_s(self) -> float:
        """Return how long at least one router has been heard without a gap."""
        now = self._clock.monotonic()
        self._forget_silent(now)
        return 0.0 if self._known_since is None else now - self._known_since

    def remember(self, advice: Mapping[str, Advised], *, at: float) -> None:
        """Keep what a decision made of the demand, for those to come."""
        for deployment_id, advised in advice.items():
            memory = self._memory(deployment_id)
            if not memory.history or memory.history[-1].replicas != advised.replicas:
                memory.history.append(Recommended(at=at, replicas=advised.replicas))
            while len(memory.history) > 1 and memory.history[1].at < at - _REMEMBERED_S:
                del memory.history[0]
            if advised.strained_load is not None:
                now = self._clock.monotonic()
                known = memory.strained
                lowest = (
                    advised.strained_load if known is None or known[1] <= now else min(known[0], advised.strained_load)
                )
                memory.strained = (lowest, now + _REMEMBERED_S)

    def _demand(self, deployment_id: str, told: list[_Router], memory: _Memory) -> Demand:
        now = self._clock.monotonic()
        said = {router.message.router_id: router.now[deployment_id] for router in told}
        held = {router_id: item.held for router_id, item in said.items()}
        held |= {router_id: count for router_id, (count, until) in memory.wanted.items() if until > now}
        begun = [router.first_tokens.get(deployment_id, (0, 0.0)) for router in told]
        count = sum(item[0] for item in begun)
        return Demand(
            in_flight=sum(item.in_flight for item in said.values()),
            held=sum(held.values()),
            ttft_s=sum(item[1] for item in begun) / count if count > 0 else None,
            last_used_at=memory.used_at,
            started_at=memory.started_at,
            history=tuple(memory.history),
            strained_load=memory.strained[0] if memory.strained is not None and memory.strained[1] > now else None,
        )

    def _is_told(self, message: DeploymentWanted) -> bool:
        """Return whether the router's last full message knew of so many requests already: then none of them is new."""
        router = self._routers.get(message.router_id)
        told = router.now.get(message.deployment_id) if router is not None else None
        return told is not None and told.held >= message.held

    def _memory(self, deployment_id: str) -> _Memory:
        return self._memories.setdefault(deployment_id, _Memory())

    def _forget_silent(self, now: float) -> None:
        """A router that missed three messages may be gone, or cut off: nothing is known of what it does."""
        for router_id in [key for key, router in self._routers.items() if not router.is_live(now)]:
            self._tell(self._routers.pop(router_id).now.keys())
        if not self._routers or not self._is_connected():
            self._known_since = None

    def _tell(self, deployment_ids: Iterable[str]) -> None:
        for deployment_id in sorted(deployment_ids):
            self._on_news(deployment_id)
