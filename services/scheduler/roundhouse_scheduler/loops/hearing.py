"""What nodes say: heartbeats and reports. Only messages of a node's present epoch and incarnation count."""

from collections.abc import Collection, Mapping

from roundhouse_common.bus.api import Bus, BusUnavailable
from roundhouse_common.contracts.node import Heartbeat, NodeReport, ReplicaLoad, digest_of
from roundhouse_common.contracts.registry import REPORTS
from roundhouse_common.runtime import Clock
from roundhouse_common.service import get_logger
from roundhouse_scheduler.domain.records import Node
from roundhouse_scheduler.loops.liveness import Liveness
from roundhouse_scheduler.loops.waking import Waker
from roundhouse_scheduler.metrics import SchedulerMetrics

__all__ = ["Hearing"]

_log = get_logger(__name__)
_REREAD_EVERY_S = 1.0
_JUST_REGISTERED_S = 2.0
"""A registration is contact; the planner may see it in SQL before the answering task says so."""


class Hearing:
    """The newest report of each node, and its liveness. `expect` says which epoch and agent speak for a node."""

    def __init__(
        self, bus: Bus, *, clock: Clock, liveness: Liveness, planner: Waker, metrics: SchedulerMetrics, lease_s: float
    ) -> None:
        self._bus = bus
        self._clock = clock
        self._liveness = liveness
        self._planner = planner
        self._metrics = metrics
        self._lease_s = lease_s
        self._speakers: dict[str, tuple[int, str]] = {}
        self._reports: dict[str, NodeReport] = {}
        self._news: set[str] = set()
        self._ahead: dict[str, NodeReport] = {}
        self._strange_at: dict[str, float] = {}
        self._digests: dict[str, str] = {}
        self._loads: dict[str, dict[str, ReplicaLoad]] = {}
        self._heard_at: dict[str, float] = {}
        self._reread_at: dict[str, float] = {}

    @property
    def reports(self) -> Mapping[str, NodeReport]:
        """The newest report of each node."""
        return self._reports

    @property
    def loads(self) -> Mapping[str, Mapping[str, ReplicaLoad]]:
        """By node and replica: the last sample of each engine's load."""
        return self._loads

    def load_of(self, node_id: str, replica_id: str) -> ReplicaLoad | None:
        """Return the last sample of an engine's load, if its node sent one."""
        return self._loads.get(node_id, {}).get(replica_id)

    def take_news(self) -> frozenset[str]:
        """Return the nodes that said something new since the last call, or are heard again."""
        news, self._news = frozenset(self._news), set()
        return news

    def ahead(self, within_s: float) -> list[NodeReport]:
        """Return what agents report whose registration the record has lost, if they were heard so recently."""
        now = self._clock.monotonic()
        return [
            report
            for node_id, report in sorted(self._ahead.items())
            if now - self._strange_at.get(node_id, float("-inf")) <= within_s
        ]

    def are_unreported(self, node_ids: Collection[str], within_s: float) -> bool:
        """Whether one of these was heard so recently and has not reported in its present epoch yet."""
        now = self._clock.monotonic()
        contacts = (self._liveness.contact_s(key, now) for key in node_ids if key not in self._reports)
        return any(contact_s is not None and contact_s <= within_s for contact_s in contacts)

    def take_heard(self) -> dict[str, float]:
        """Return who was heard since the last call, with the wall-clock time."""
        heard, self._heard_at = self._heard_at, {}
        return heard

    def expect(self, node: Node) -> None:
        """Only this epoch and incarnation speak for the node from now on. An older epoch than the known is ignored:
        the planner may have read the node before the registration that is known here was committed.
        """
        speaker = (node.epoch, node.incarnation)
        known_speaker = self._speakers.get(node.node_id)
        if known_speaker is not None and (known_speaker == speaker or known_speaker[0] > node.epoch):
            return
        self._speakers[node.node_id] = speaker
        ahead = self._ahead.get(node.node_id)
        if ahead is not None and (ahead.epoch, ahead.incarnation) == speaker:
            del self._ahead[node.node_id]  # nothing was lost: only its report was read before the record
        elif ahead is not None:
            self._strange_at[node.node_id] = self._clock.monotonic()  # until it reports in its new epoch
        self._liveness.forget(node.node_id)
        if 0.0 <= self._clock.now() - node.registered_at < _JUST_REGISTERED_S:
            self._touch(node.node_id)
        known = self._reports.get(node.node_id)
        if known is not None and (known.epoch, known.incarnation) != speaker:
            del self._reports[node.node_id]
            self._digests.pop(node.node_id, None)  # the new agent's first heartbeat makes us read its report
        if ahead is not None and (ahead.epoch, ahead.incarnation) == speaker:
            # At once: a plan without it would find too little running, and place more.
            self._reports[node.node_id] = ahead
            self._digests[node.node_id] = digest_of(ahead.replicas)
            self._news.add(node.node_id)

    def forget(self, node_id: str) -> None:
        """The node is not in the record any more."""
        for known in (self._speakers, self._digests, self._loads, self._heard_at, self._reread_at, self._strange_at):
            known.pop(node_id, None)
        self._reports.pop(node_id, None)
        self._ahead.pop(node_id, None)
        self._liveness.remove(node_id)

    def registered(self, node: Node) -> None:
        """The node asked for its epoch: that is contact."""
        self.expect(node)
        self._touch(node.node_id)

    def take_reports(self, changed: Mapping[str, NodeReport]) -> None:
        """Take in reports from the projection."""
        for node_id, report in sorted(changed.items()):
            self._take_report(node_id, report)
            self._news.add(node_id)
        self._planner.wake()

    async def take_heartbeat(self, beat: Heartbeat, ids: tuple[str, ...]) -> None:
        """Count a sign of life; when it speaks of another report than the one known, read the bucket."""
        speaker = self._speakers.get(beat.node_id)
        if ids != (beat.node_id,) or speaker != (beat.epoch, beat.incarnation):
            self._metrics.ignored("heartbeat")
            if speaker is None or beat.epoch > speaker[0]:
                self._strange_at[beat.node_id] = self._clock.monotonic()
                self._planner.wake()  # another scheduler may have registered it: the record will tell
            return
        was_silent = self._touch(beat.node_id)
        self._loads[beat.node_id] = {load.replica_id: load for load in beat.loads}
        if was_silent:
            self._news.add(beat.node_id)
            self._planner.wake()
        if beat.digest != self._digests.get(beat.node_id):
            await self._reread(beat.node_id)

    def _touch(self, node_id: str) -> bool:
        """Note contact; return whether the node had not been heard within its lease."""
        now = self._clock.monotonic()
        before = self._liveness.contact_s(node_id, now)
        self._liveness.heard(node_id, now)
        self._heard_at[node_id] = self._clock.now()
        self._metrics.heard.inc()
        return before is None or before > self._lease_s

    def _take_report(self, node_id: str, report: NodeReport) -> None:
        speaker = self._speakers.get(node_id)
        if speaker is None or report.epoch > speaker[0]:
            self._ahead[node_id] = report
            self._strange_at[node_id] = self._clock.monotonic()
        elif (report.epoch, report.incarnation) == speaker:
            self._ahead.pop(node_id, None)
        if speaker is not None and (report.epoch, report.incarnation) != speaker:
            self._metrics.ignored("report")
            _log.info("report_ignored", node_id=node_id, epoch=report.epoch, current_epoch=speaker[0])
            return
        known = self._reports.get(node_id)
        if known is not None and report.sequence < known.sequence:
            return
        is_news = known is None or report.sequence > known.sequence
        self._reports[node_id] = report
        self._digests[node_id] = digest_of(report.replicas)
        if is_news and speaker is not None:
            self._touch(node_id)

    async def _reread(self, node_id: str) -> None:
        now = self._clock.monotonic()
        if now - self._reread_at.get(node_id, float("-inf")) < _REREAD_EVERY_S:
            return
        self._reread_at[node_id] = now
        try:
            entry = await self._bus.bucket(REPORTS).get(node_id)
        except BusUnavailable:
            return
        if entry is not None:
            self.take_reports({node_id: entry.value})
