"""The one serial planner: look at what changed, decide, commit, tell."""

import asyncio
from collections import ChainMap
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from roundhouse_common.contracts.catalog import DeploymentSpec
from roundhouse_common.contracts.identity import TenantRecord
from roundhouse_common.contracts.node import NodeReport
from roundhouse_common.contracts.scheduler import DeploymentEndpoints
from roundhouse_common.database import Database
from roundhouse_common.runtime import Clock, Ids
from roundhouse_common.service import get_logger
from roundhouse_scheduler.domain.decide import decide
from roundhouse_scheduler.domain.errors import StaleView, TermSuperseded
from roundhouse_scheduler.domain.focus import NOTHING, Focus
from roundhouse_scheduler.domain.plan import Plan
from roundhouse_scheduler.domain.rules import Rules
from roundhouse_scheduler.domain.view import Mint, View
from roundhouse_scheduler.loops.attention import Attention
from roundhouse_scheduler.loops.demand import DemandHearing
from roundhouse_scheduler.loops.hearing import Hearing
from roundhouse_scheduler.loops.leadership import Leadership
from roundhouse_scheduler.loops.liveness import Liveness
from roundhouse_scheduler.loops.mirror import Mirror
from roundhouse_scheduler.loops.plan_log import log_plan
from roundhouse_scheduler.loops.preparing import Preparing
from roundhouse_scheduler.loops.recovery import Recovery
from roundhouse_scheduler.loops.stores import Stores
from roundhouse_scheduler.loops.timers import Timers
from roundhouse_scheduler.metrics import SchedulerMetrics
from roundhouse_scheduler.store.changes import Changes, read_changes
from roundhouse_scheduler.store.commit import commit_plan
from roundhouse_scheduler.store.specs import take_specs

__all__ = ["Planner", "Told"]

_LOOK_EVERY_S = 5.0
_SWEEP_EVERY_S = 60.0
"""Everything is looked at this often, whatever happened: level-triggered."""
_REST_MOST_S = 0.5
_AWAIT_S = 0.5
_UNHEARD_MOST_S = 10.0
"""Who takes over waits so long for what is wanted and what runs before it takes it that there is none of it."""
_STALE_MOST = 3
"""After so many stale plans in a row the record is read whole: somebody may have written without a revision."""
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Whose documents may say something else now."""

    nodes: frozenset[str] = frozenset()
    deployments: frozenset[str] = frozenset()
    is_all: bool = False
    """Another scheduler may have left anything untold."""


class Planner:
    """Makes one plan at a time, while this scheduler leads. Whoever learns something calls `attention`; nothing else
    decides. `mirror` is the record as of the last look."""

    def __init__(
        self,
        db: Database,
        *,
        specs: Callable[[], Mapping[str, DeploymentSpec]],
        tenants: Callable[[], Mapping[str, TenantRecord]],
        hearing: Hearing,
        demand: DemandHearing,
        liveness: Liveness,
        stores: Stores,
        preparing: Preparing,
        leadership: Leadership,
        attention: Attention,
        clock: Clock,
        ids: Ids,
        mint: Mint,
        rules: Rules,
        metrics: SchedulerMetrics,
        are_specs_known: Callable[[], bool],
        are_reports_known: Callable[[], bool],
        on_commit: Callable[[], None],
        on_news: Callable[[Told], None],
        observers: Sequence[Callable[[View, Plan], None]],
    ) -> None:
        self.mirror = Mirror()
        self._db = db
        self._specs = specs
        self._tenants = tenants
        self._hearing = hearing
        self._demand = demand
        self._liveness = liveness
        self._stores = stores
        self._preparing = preparing
        self._leadership = leadership
        self._attention = attention
        self._clock = clock
        self._ids = ids
        self._mint = mint
        self._rules = rules
        self._metrics = metrics
        self._are_specs_known = are_specs_known
        self._are_reports_known = are_reports_known
        self._on_commit = on_commit
        self._on_news = on_news
        self._observers = observers
        self._recovery = Recovery(db, hearing=hearing, mirror=self.mirror, lease_s=rules.lease_s)
        self._awaited: frozenset[str] = frozenset()
        self._withheld: frozenset[str] = frozenset()
        """What is awaited, and what was until the plan that takes up its engines is committed."""
        self._has_planned = False
        """A plan of this term is committed: before, nobody has compared the record with what runs."""
        self._led_since = 0.0
        self._specs_since: float | None = None
        self._timers = Timers()
        self._taken: dict[str, int] = {}
        self._term = 0
        self._was_braked = False
        self._was_listening = False
        self._swept_at = float("-inf")
        self._one_at_a_time = asyncio.Lock()

    async def run(self) -> None:
        """Look whenever woken, when a record's time has come, and every few seconds; rest as long as it worked."""
        while True:
            began = self._clock.monotonic()
            plan = await self.step()
            await asyncio.sleep(min(_REST_MOST_S, self._clock.monotonic() - began))
            if plan.is_empty:
                await self._attention.wait(self._pause_s())

    async def step(self) -> Plan:
        """Make and commit one plan. A plan whose rows changed meanwhile is dropped and made again. A standby only
        follows the record, so that it can take over at once."""
        async with self._one_at_a_time:
            if not self._leadership.is_leading:
                await self._leadership.look()
            stale = 0
            while self._leadership.is_leading:
                try:
                    with self._metrics.pass_s.time():
                        return await self._step()
                except StaleView as error:
                    self._metrics.stale.inc()
                    _log.info("plan_stale", why=error.message)
                    stale += 1
                    if stale % _STALE_MOST == 0:
                        self.mirror.doubt()
                except TermSuperseded as error:
                    _log.warning("plan_dropped", why=error.message)
            self._attention.put_back(await self._read())
            return Plan()

    async def refresh(self) -> None:
        """Let the mirror be what the record is now; what is new is looked at in the next plan."""
        async with self._one_at_a_time:
            if self._leadership.is_leading:
                await self._notice_takeover()
            self._attention.put_back(await self._read())
            self._attention.put_back(self._await_lost())
        self._attention.wake()

    async def _step(self) -> Plan:
        await self._notice_takeover()
        if not self._has_planned and self._is_unheard():
            return Plan()
        await self._take_specs()
        focus: Focus | None = NOTHING
        try:
            focus = _both(await self._read(), self._take_focus())
            reports = dict(self._hearing.reports)
            await self._recovery.look_up(_in_focus(reports, focus))
            view = self._view(focus, reports)
            with self._metrics.decide_s.time():
                plan = decide(view, now=self._clock.now(), rules=self._rules, mint=self._mint)
            revision = -1
            if not plan.is_empty:
                with self._metrics.commit_s.time():
                    revision = await self._commit(view, plan)
        except BaseException:
            self._attention.put_back(focus)
            raise
        self._tell(view, plan)
        self.mirror.apply(plan, revision)
        self._remember(view, plan)
        return plan

    async def _notice_takeover(self) -> None:
        term = self._leadership.term
        if term != self._term:
            self._attention.put_back(await self._read())
            self._term = term
            self._has_planned = False
            self._led_since = self._clock.monotonic()
            self._specs_since = None
            self._liveness.listen_anew(self._led_since)
            self._attention.everything()
            self._taken.clear()
            self._on_news(Told(is_all=True))

    def _is_unheard(self) -> bool:
        """Whether the first plan must wait: the record may be empty, or an older copy, and look as good as any. By what
        it wants of a deployment engines would be too many that the catalog wants, and by what it knows too few."""
        if self._are_specs_known() and self._are_reports_known():
            return False
        now = self._clock.monotonic()
        return min(now - self._led_since, self._liveness.trusted_s(now)) < _UNHEARD_MOST_S

    async def _take_specs(self) -> None:
        news = [spec for key, spec in self._specs().items() if spec.generation > self._taken.get(key, -1)]
        if not news:
            return
        async with self._db.write() as session:
            await self._leadership.check(session)
            taken = await take_specs(session, news, at=self._clock.now())
            session.after_commit(self._on_commit)
        self._taken |= {spec.deployment_id: spec.generation for spec in news}
        for deployment_id in taken:
            _log.info("spec_taken", deployment_id=deployment_id, generation=self._taken[deployment_id])

    async def _read(self) -> Focus | None:
        """Bring the mirror up to the record; return what is new in it, None for everything."""
        async with self._db.read() as session:
            changes = await read_changes(session, self.mirror.revision, known_versions=self.mirror.versions)
        if changes is None:
            return NOTHING
        focus = self.mirror.take(changes)
        for node in changes.nodes:
            self._hearing.expect(node)
        for node_id in changes.gone_nodes:
            self._hearing.forget(node_id)
        self._on_news(_told_of(changes, self.mirror))
        return None if changes.is_whole else focus

    def _take_focus(self) -> Focus | None:
        """Take what came from elsewhere: whoever called, the reports, the time."""
        due = self._timers.take_due(self._clock.now())
        now = self._clock.monotonic()
        if now - self._swept_at >= _SWEEP_EVERY_S or any(item.kind == "" for item in due):
            self._attention.everything()
        self._attention.put_back(Focus.of(due) | Focus(reports=self._hearing.take_news()))
        self._attention.put_back(self._await_lost())
        return self._attention.take()

    def _await_lost(self) -> Focus:
        """Say what is awaited, and look at what is not awaited any more."""
        led_s = self._clock.monotonic() - self._led_since
        before = self._awaited
        self._awaited = self._recovery.awaited(led_s=led_s)
        self._withheld |= self._awaited
        return Focus(deployments=before - self._awaited)

    def _tell_awaited(self) -> None:
        """A plan was made over what is not awaited any more: routers may know of it again."""
        over, self._withheld = self._withheld - self._awaited, self._awaited
        if not self._has_planned:
            self._has_planned = True
            over = frozenset(self.mirror.deployments) - self._withheld
        if over:
            self._on_news(Told(deployments=over))

    def _view(self, focus: Focus | None, reports: Mapping[str, NodeReport]) -> View:
        now = self._clock.monotonic()
        if self._specs_since is None and self._are_specs_known():
            self._specs_since = now
        is_listening = self._liveness.is_listening
        if is_listening is not self._was_listening:
            focus = None
        return View(
            deployments=self.mirror.deployments,
            versions=self.mirror.versions,
            nodes=self.mirror.nodes,
            replicas=self.mirror.replicas,
            switches=self.mirror.switches,
            reports=reports,
            ended=self.mirror.ended,
            specs_known_s=now - self._specs_since if self._specs_since is not None else 0.0,
            awaited=self._awaited,
            silence=self._liveness.look(now),
            index=self.mirror.index,
            focus=focus,
            quiet=self._liveness.quiet(now, self._rules.lease_s),
            is_listening=is_listening,
            trusted_s=self._liveness.trusted_s(now),
            demand=self._demand,
            demand_known_s=self._demand.known_s(),
            loads=self._hearing.loads,
            files=self._stores.ready,
            tenants=self._tenants(),
            advances=self._preparing.advances,
        )

    async def _commit(self, view: View, plan: Plan) -> int:
        changed = {row.replica_id: row for row in (*plan.replicas, *plan.new_replicas)}
        rows = ChainMap(changed, self.mirror.replicas)
        async with self._db.write() as session:
            await self._leadership.check(session)
            revision = await commit_plan(
                session, plan, rows, at=self._clock.now(), ids=self._ids, deployments=view.deployments, nodes=view.nodes
            )
            session.after_commit(self._on_commit)
        return revision

    def _tell(self, view: View, plan: Plan) -> None:
        """Count, log and show what was decided; the view still is what it was decided on."""
        if plan.is_brake_held:
            self._liveness.doubt(self._clock.monotonic())
        self._metrics.decided(plan)
        for observer in self._observers:
            observer(view, plan)
        if view.is_listening and plan.is_brake_held is not self._was_braked:
            self._was_braked = plan.is_brake_held
            self._attention.everything()
            if plan.is_brake_held:
                _log.warning("fleet_brake_held", nodes=len(view.nodes))
            else:
                _log.warning("fleet_brake_released", nodes=len(view.nodes))
        log_plan(plan)

    def _remember(self, view: View, plan: Plan) -> None:
        self._was_listening = view.is_listening
        if view.focus is None:
            self._swept_at = self._clock.monotonic()
            self.mirror.ended &= {entry.replica_id for report in view.reports.values() for entry in report.replicas}
            self._timers.replace(plan.later)
        else:
            self._timers.set(plan.later)
        self._attention.put_back(plan.touched)
        self._demand.remember(plan.advice, at=self._clock.now())
        self._metrics.saw(self.mirror.states, self.mirror.phases, is_brake_held=plan.is_brake_held)
        self._tell_awaited()
        if not plan.is_empty:
            self._on_news(
                Told(
                    nodes=frozenset(row.node_id for row in plan.nodes),
                    deployments=frozenset(row.deployment_id for row in plan.deployments),
                )
            )

    @property
    def due_at(self) -> float:
        """When the next record is to be looked at, if nothing happens before; infinity when none is."""
        return self._timers.next_at

    def _pause_s(self) -> float:
        if not self._leadership.is_leading:
            return _LOOK_EVERY_S
        lease_s = self._liveness.next_quiet_s(self._clock.monotonic(), self._rules.lease_s) + 0.001
        due_s = self.due_at - self._clock.now()
        return min(_AWAIT_S if self._awaited or not self._has_planned else _LOOK_EVERY_S, lease_s, max(0.0, due_s))

    def endpoints(self, deployment_ids: Collection[str] | None = None) -> dict[str, DeploymentEndpoints]:
        """Return the documents of these deployments, by default of all, without those that are awaited: what routers
        know of them is better than what the record has. After a takeover that holds for all until the first plan: the
        record may be an older copy."""
        if self._term != self._leadership.term or not self._has_planned:
            return {}
        wanted = self.mirror.deployments.keys() if deployment_ids is None else deployment_ids
        return self.mirror.endpoints(key for key in wanted if key not in self._withheld)


def _in_focus(reports: Mapping[str, NodeReport], focus: Focus | None) -> Collection[NodeReport]:
    if focus is None:
        return reports.values()
    return [reports[key] for key in focus.reports | focus.nodes if key in reports]


def _both(one: Focus | None, other: Focus | None) -> Focus | None:
    return None if one is None or other is None else one | other


def _told_of(changes: Changes, mirror: Mirror) -> Told:
    """Rows that somebody else wrote: a node's document, and those of the deployments whose endpoints name it."""
    nodes = frozenset(row.node_id for row in changes.nodes)
    on_them = (mirror.replicas[key].deployment_id for node_id in nodes for key in mirror.index.on(node_id))
    return Told(nodes=nodes, deployments=frozenset(row.deployment_id for row in changes.deployments).union(on_them))
