"""Which endpoint is tried first, and which next."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from roundhouse_common.contracts.routing import RouteTarget
from roundhouse_common.contracts.scheduler import DeploymentEndpoints, EndpointState
from roundhouse_common.contracts.usage import Operation
from roundhouse_router.domain.balancing import Resting, RetryBudget, RoundRobin, pick_target
from tests.support.running_router import deployment_endpoints, endpoint

states = st.lists(st.sampled_from(list(EndpointState)), max_size=6)


def fleet(*states: EndpointState) -> DeploymentEndpoints:
    return deployment_endpoints(*(endpoint("http://x", number, state=state) for number, state in enumerate(states)))


def order(balancer: RoundRobin, deployment: DeploymentEndpoints, now: float = 0.0) -> list[str]:
    return [candidate.endpoint.replica_id for candidate in balancer.order(deployment, Operation.CHAT, now)]


def test_ready_endpoints_take_turns() -> None:
    balancer, deployment = RoundRobin(Resting(2.0)), fleet(*[EndpointState.READY] * 3)
    firsts = Counter(order(balancer, deployment)[0] for _ in range(30))
    assert firsts == {"rep_0": 10, "rep_1": 10, "rep_2": 10}


@given(states, st.integers(0, 10))
def test_every_routable_endpoint_is_tried_once_and_the_ready_ones_first(found: list[EndpointState], turns: int) -> None:
    balancer, deployment = RoundRobin(Resting(2.0)), fleet(*found)
    for _ in range(turns):
        order(balancer, deployment)
    tried = [candidate.endpoint.state for candidate in balancer.order(deployment, Operation.CHAT, 0.0)]
    ready, suspect = found.count(EndpointState.READY), found.count(EndpointState.SUSPECT)
    assert tried == [EndpointState.READY] * ready + [EndpointState.SUSPECT] * suspect


def test_an_endpoint_that_failed_comes_last_until_it_has_rested() -> None:
    resting = Resting(2.0)
    balancer = RoundRobin(resting)
    deployment = fleet(EndpointState.READY, EndpointState.SUSPECT)
    resting.failed("rep_0", 10.0)
    assert order(balancer, deployment, 10.5) == ["rep_1", "rep_0"]
    assert order(balancer, deployment, 12.0) == ["rep_0", "rep_1"]


def test_an_answer_ends_the_rest() -> None:
    resting = Resting(2.0)
    resting.failed("rep_0", 10.0)
    resting.succeeded("rep_0")
    assert not resting.is_resting("rep_0", 10.1)


@given(st.lists(st.integers(1, 5), min_size=2, max_size=4))
def test_targets_are_drawn_by_their_weight(weights: list[int]) -> None:
    targets = [RouteTarget(deployment_id=f"dep_{n}", weight=weight) for n, weight in enumerate(weights)]
    total = sum(weights)
    points = iter([(n + 0.5) / total for n in range(total)])
    drawn = Counter(pick_target(targets, points.__next__)[0].deployment_id for _ in range(total))
    assert drawn == {f"dep_{n}": weight for n, weight in enumerate(weights)}


@given(st.lists(st.integers(0, 3), min_size=1, max_size=4), st.floats(0, 1, exclude_max=True))
def test_every_target_stays_in_reach(weights: list[int], point: float) -> None:
    targets = [RouteTarget(deployment_id=f"dep_{n}", weight=weight) for n, weight in enumerate(weights)]
    assert sorted(pick_target(targets, lambda: point), key=lambda target: target.deployment_id) == targets


def test_retries_are_bounded_by_a_share_of_the_traffic() -> None:
    budget = RetryBudget(share=0.5, at_least=1)
    assert budget.take()
    assert not budget.take()
    budget.in_flight = 6
    assert budget.take()
    assert budget.take()
    assert not budget.take()
    budget.release()
    assert budget.take()
