"""Whatever happens to endpoints and requests: counts stay right, and nobody is lost for ever."""

from collections import Counter
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from roundhouse_common.contracts.demand import EndpointSeen, RouterState
from roundhouse_common.contracts.routing import Balancing, RouteQueue, RouteTarget, Strategy
from roundhouse_common.contracts.scheduler import EndpointState
from roundhouse_router.domain.choosing.candidate import Candidate, Verdict
from roundhouse_router.domain.choosing.peers import Peers
from roundhouse_router.domain.health import HealthOptions
from tests.support.choosing import World, provider
from tests.support.running_router import deployment_endpoints, endpoint

TARGETS = (
    RouteTarget(deployment_id="dep_1", weight=3),
    RouteTarget(deployment_id="dep_2"),
    RouteTarget(provider_id="prv_1", model="gpt", priority=1),
)
numbers = st.integers(0, 5)
strategies = st.sampled_from([strategy for strategy in Strategy if strategy is not Strategy.UNKNOWN])


class ChooserMachine(RuleBasedStateMachine):
    """A router's life: requests begin, are tried again and end; endpoints come, go and fail; another router talks."""

    @initialize(strategy=strategies, most=st.sampled_from([0, 3]), region=st.sampled_from(["", "east"]))
    def build(self, strategy: Strategy, most: int, region: str) -> None:
        balancing = Balancing(strategy=strategy, spill_in_flight=2)
        self.world = World(
            balancing=balancing,
            targets=TARGETS,
            queue=RouteQueue(max_waiting=most),
            providers=[provider(in_flight_most=4)],
            region=region,
            health=HealthOptions(consecutive_failures=2),
        )
        self.peers = Peers(self.world.chooser, "rtr_1")
        self.open: list[tuple[Any, Candidate]] = []
        self.sequence = 0
        self.place({0, 1, 2}, "dep_1", EndpointState.READY)
        self.place({3, 4}, "dep_2", EndpointState.READY)

    @rule(
        there=st.sets(numbers), deployment_id=st.sampled_from(["dep_1", "dep_2"]), state=st.sampled_from(EndpointState)
    )
    def place(self, there: set[int], deployment_id: str, state: EndpointState) -> None:
        offset = 0 if deployment_id == "dep_1" else 10
        found = [
            endpoint(
                "http://x", offset + n, state=state if n % 2 else EndpointState.READY, region="east" if n < 3 else ""
            )
            for n in sorted(there)
        ]
        self.world.serve(deployment_endpoints(*found, deployment_id=deployment_id))
        self.world.chooser.prune(self.world.table)

    @rule(user=st.sampled_from(["", "ann", "bob"]))
    def begin(self, user: str) -> None:
        choice = self.world.begin(user=user, prompt=lambda: user.encode() * 400)
        self.send(choice, choice.next(self.world.now))

    @rule(number=numbers, verdict=st.sampled_from(Verdict), is_retried=st.booleans())
    def end(self, number: int, verdict: Verdict, is_retried: bool) -> None:
        if self.open:
            choice, candidate = self.open.pop(number % len(self.open))
            self.world.end(candidate, verdict, first_token_s=0.1 * number)
            if is_retried:
                choice.table = self.world.table
                self.send(choice, choice.next(self.world.now))

    @rule(seconds=st.sampled_from([0.1, 1.0, 3.0, 30.0]))
    def later(self, seconds: float) -> None:
        self.world.now += seconds
        self.peers.forget(self.world.now)
        self.world.chooser.roster.judge(self.world.now)

    @rule(
        seen=st.lists(
            st.builds(
                EndpointSeen,
                replica_id=numbers.map("rep_{}".format),
                in_flight=numbers,
                ejected_s=st.sampled_from([0.0, 9.0]),
            )
        )
    )
    def hear(self, seen: list[EndpointSeen]) -> None:
        self.sequence += 1
        unique = {one.replica_id: one for one in seen}
        state = RouterState(
            router_id="rtr_2", incarnation="i", sequence=self.sequence, interval_s=0.5, endpoints=tuple(unique.values())
        )
        self.peers.hear(state, self.world.now)

    def send(self, choice: Any, candidate: Candidate | None) -> None:
        if candidate is not None:
            if candidate.endpoint is not None:
                assert candidate.endpoint.state in (EndpointState.READY, EndpointState.SUSPECT)
            self.world.chooser.sent(candidate, self.world.now)
            self.open.append((choice, candidate))

    @invariant()
    def what_is_in_flight_is_what_was_sent_and_has_not_ended(self) -> None:
        sent = Counter(candidate.endpoint_id for _, candidate in self.open)
        standings = self.world.chooser.roster.standings
        assert {one.endpoint_id: one.in_flight for one in standings if one.in_flight} == sent
        assert all(one.others >= 0 and one.condition.probes >= 0 for one in standings)

    @invariant()
    def a_request_reaches_every_endpoint_once_whoever_is_ejected(self) -> None:
        table = self.world.table
        usable = [
            one.replica_id
            for deployment in table.deployments.values()
            for one in deployment.endpoints
            if one.state in (EndpointState.READY, EndpointState.SUSPECT)
        ]
        busy = sum(candidate.endpoint_id == "prv_1" for _, candidate in self.open)
        assert sorted(self.world.way()) == sorted(usable + ["prv_1"] * (busy < 4))

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        for _, candidate in self.open:
            self.world.end(candidate, Verdict.OK)
        self.open.clear()
        self.world.now += 10_000
        self.peers.forget(self.world.now)
        for standing in self.world.chooser.roster.standings:
            assert standing.in_flight == standing.condition.probes == standing.others == 0
            assert standing.condition.level(self.world.now) == 0


TestChooser = ChooserMachine.TestCase
TestChooser.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
