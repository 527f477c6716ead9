"""The one serial planner: look, decide, commit, tell."""

import asyncio
from collections.abc import Callable, Mapping

from roundhouse_common.contracts.catalog import DeploymentSpec
from roundhouse_common.database import Database
from roundhouse_common.runtime import Clock, Ids
from roundhouse_common.service import get_logger
from roundhouse_scheduler.domain.decide import decide
from roundhouse_scheduler.domain.errors import StaleView
from roundhouse_scheduler.domain.plan import Created, Moved, NodeMarked, Plan, Wanted
from roundhouse_scheduler.domain.rules import Rules
from roundhouse_scheduler.domain.view import Mint, View
from roundhouse_scheduler.loops.hearing import Hearing
from roundhouse_scheduler.loops.liveness import Liveness
from roundhouse_scheduler.loops.waking import Waker
from roundhouse_scheduler.metrics import SchedulerMetrics
from roundhouse_scheduler.store.commit import commit_plan
from roundhouse_scheduler.store.look import read_records
from roundhouse_scheduler.store.specs import take_specs

__all__ = ["Planner"]

_LOOK_EVERY_S = 5.0
_REST_MOST_S = 0.5
_log = get_logger(__name__)


class Planner:
    """Makes one plan at a time. Whoever learns something calls `waker.wake`; nothing else decides."""

    def __init__(
        self,
        db: Database,
        *,
        specs: Callable[[], Mapping[str, DeploymentSpec]],
        hearing: Hearing,
        liveness: Liveness,
        waker: Waker,
        clock: Clock,
        ids: Ids,
        mint: Mint,
        rules: Rules,
        metrics: SchedulerMetrics,
        on_commit: Callable[[], None],
        observers: list[Callable[[View, Plan], None]],
    ) -> None:
        self._db = db
        self._specs = specs
        self._hearing = hearing
        self._liveness = liveness
        self._waker = waker
        self._clock = clock
        self._ids = ids
        self._mint = mint
        self._rules = rules
        self._metrics = metrics
        self._on_commit = on_commit
        self._observers = observers
        self._taken: dict[str, int] = {}
        self._was_braked = False

    async def run(self) -> None:
        """Look whenever woken, when the last plan asked for it, and every few seconds; rest as long as it worked."""
        while True:
            began = self._clock.monotonic()
            plan = await self.step()
            await asyncio.sleep(min(_REST_MOST_S, self._clock.monotonic() - began))
            pause_s = min(_LOOK_EVERY_S, max(0.0, plan.look_again_at - self._clock.now()))
            await self._waker.wait(pause_s)

    async def step(self) -> Plan:
        """Make and commit one plan. A plan whose rows changed meanwhile is dropped and made again."""
        while True:
            try:
                with self._metrics.pass_s.time():
                    return await self._step()
            except StaleView as error:
                self._metrics.stale.inc()
                _log.info("plan_stale", why=error.message)

    async def _step(self) -> Plan:
        await self._take_specs()
        view = await self._look()
        now = self._clock.now()
        plan = decide(view, now=now, rules=self._rules, mint=self._mint)
        if not plan.is_empty:
            rows = dict(view.replicas) | {row.replica_id: row for row in (*plan.replicas, *plan.new_replicas)}
            async with self._db.write() as session:
                await commit_plan(session, plan, rows, at=now, ids=self._ids, deployments=view.deployments)
                session.after_commit(self._on_commit)
        if plan.is_brake_held:
            self._liveness.doubt(self._clock.monotonic())
        self._tell(view, plan)
        return plan

    async def _take_specs(self) -> None:
        news = [spec for key, spec in self._specs().items() if spec.generation > self._taken.get(key, -1)]
        if not news:
            return
        async with self._db.write() as session:
            taken = await take_specs(session, news, at=self._clock.now())
            session.after_commit(self._on_commit)
        self._taken |= {spec.deployment_id: spec.generation for spec in news}
        for deployment_id in taken:
            _log.info("spec_taken", deployment_id=deployment_id, generation=self._taken[deployment_id])

    async def _look(self) -> View:
        async with self._db.read() as session:
            records = await read_records(session)
        for node in records.nodes.values():
            self._hearing.expect(node)
        now = self._clock.monotonic()
        return View(
            deployments=records.deployments,
            versions=records.versions,
            nodes=records.nodes,
            replicas=records.replicas,
            reports=dict(self._hearing.reports),
            silence=self._liveness.silence(records.nodes, now),
            is_listening=self._liveness.is_listening,
            trusted_s=self._liveness.trusted_s(now),
        )

    def _tell(self, view: View, plan: Plan) -> None:
        self._metrics.decided(plan)
        self._metrics.saw(view, plan)
        for observer in self._observers:
            observer(view, plan)
        if view.is_listening and plan.is_brake_held is not self._was_braked:
            self._was_braked = plan.is_brake_held
            if plan.is_brake_held:
                _log.warning("fleet_brake_held", nodes=len(view.nodes))
            else:
                _log.warning("fleet_brake_released", nodes=len(view.nodes))
        for action in plan.actions:
            _log_action(action)


def _log_action(action: object) -> None:
    match action:
        case Created(replica_id=replica_id, deployment_id=deployment_id, replaces=replaces):
            _log.info("replica_created", replica_id=replica_id, deployment_id=deployment_id, replaces=replaces)
        case Wanted(replica_id=replica_id, desired=desired, reason=reason):
            _log.info("replica_wanted", replica_id=replica_id, desired=desired.value, reason=reason.value)
        case NodeMarked(node_id=node_id, before=before, after=after):
            _log.warning("node_marked", node_id=node_id, before=before.value, after=after.value)
        case Moved():
            _log.info(
                "replica_phase",
                replica_id=action.replica_id,
                node_id=action.node_id,
                before=action.before.value,
                after=action.after.value,
                reason=action.reason.value,
                detail=action.detail,
            )
        case _:
            return
