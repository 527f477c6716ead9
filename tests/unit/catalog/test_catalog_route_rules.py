"""What a route may say, and what it may name: every fault with its field, what was found and what is allowed."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_catalog.domain.errors import DeploymentInUse, NameTaken, RouteInUse, RouteOfDeployment
from roundhouse_catalog.domain.findings import Findings
from roundhouse_catalog.domain.route_changes import (
    Change,
    create_route,
    delete_route,
    require_unrouted,
    revise_route,
)
from roundhouse_catalog.domain.route_drafts import FallbackDraft, RouteDraft, RoutePatch, draft_of
from roundhouse_catalog.domain.route_references import Known, Target, check_circles
from roundhouse_catalog.domain.route_shapes import header_name_fault, name_fault
from roundhouse_catalog.domain.routes import Route, RouteSettings, followed, own_route
from roundhouse_common.contracts.catalog import ModelKind
from roundhouse_common.contracts.routing import Fallback, FallbackReason, RouteMatch, RouteTarget
from roundhouse_common.errors import InvalidInput
from tests.unit.catalog.builders import NOW, a_deployment

pytestmark = pytest.mark.contract("D08", "D09")

A, B = RouteTarget(deployment_id="dep_a"), RouteTarget(deployment_id="dep_b")
DEPLOYMENTS = {"dep_a": Target("a", ModelKind.CHAT), "dep_b": Target("b", ModelKind.CHAT)}
CHANGE = Change(at=NOW, actor="user:ann")


def a_route(name: str, *, alias_of: str = "", fallbacks: tuple[str, ...] = (), **changes: Any) -> Route:
    targets = () if alias_of else (A,)
    route = Route(
        route_id=f"rte_{changes.get('tenant_id', 'ten')}_{name}",
        tenant_id="ten",
        name=name,
        model_kind=ModelKind.CHAT,
        targets=targets,
        alias_of=alias_of,
        created_at=NOW,
        created_by="",
        updated_at=NOW,
        updated_by="",
    )
    said = tuple(Fallback(reason=FallbackReason.ERROR, route=one) for one in fallbacks)
    return replace(route, settings=RouteSettings(fallbacks=said), **changes)


def make(draft: RouteDraft, *routes: Route, **known: Any) -> Route:
    what = Known(**{"routes": routes, "deployments": DEPLOYMENTS, **known})
    return create_route(draft, what, route_id="rte_new", tenant_id="ten", change=CHANGE)


def faults(act: Callable[[], object]) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        act()
    return {one.field: one.message for one in caught.value.fields}


@pytest.mark.parametrize(
    "name", ["gpt-4", "gpt-*", "*", "meta-llama/Llama-3.1-8B:free", "模型", "with blank inside", "x" * 128, "a*b*c"]
)
def test_any_string_that_clients_may_send_is_a_name(name: str) -> None:
    assert name_fault(name) is None


@pytest.mark.parametrize("name", ["", " x", "x ", "x\n", "x\0y", "x" * 129, "a**", "*a" * 9, "\u200b"])
def test_what_nobody_could_read_in_a_table_is_no_name(name: str) -> None:
    assert name_fault(name)


def test_a_header_is_named_in_lower_case_and_no_secret_is_compared() -> None:
    assert header_name_fault("x-beta") is None
    assert '"x-beta" would do' in (header_name_fault("X-Beta") or "")
    assert "key_ids" in (header_name_fault("authorization") or "")
    assert header_name_fault("x beta")
    assert header_name_fault("x" * 129)


@pytest.mark.parametrize(
    ("targets", "field", "words"),
    [
        ([RouteTarget(deployment_id="dep_a", weight=-1)], "targets.0.weight", "-1 found; 0 to"),
        ([RouteTarget(deployment_id="dep_a", priority=-1)], "targets.0.priority", "-1 found; 0 to"),
        ([RouteTarget(deployment_id="dep_a", weight=0)], "targets", "priority 0 has a weight above 0"),
        ([A, RouteTarget(deployment_id="dep_b", weight=0, priority=2)], "targets", "priority 2 has"),
        ([A, A], "targets.1", "target 0 again"),
        ([RouteTarget(deployment_id="dep_a", model="x")], "targets.0.model", "only a provider's target"),
        ([RouteTarget(provider_id="prv_x", model="x\ny")], "targets.0.model", "control characters"),
        ([RouteTarget(deployment_id="dep_a", match=RouteMatch())], "targets.0.match", "leave `match` out"),
        (
            [RouteTarget(deployment_id="dep_a", match=RouteMatch(value="x"))],
            "targets.0.match.value",
            "without a header",
        ),
        (
            [RouteTarget(deployment_id="dep_a", match=RouteMatch(header="x", value="a\tb"))],
            "targets.0.match.value",
            "control characters",
        ),
        (
            [RouteTarget(deployment_id="dep_a", match=RouteMatch(key_ids=("key_x",)))],
            "targets.0.match.key_ids.0",
            "no API key",
        ),
        ([A, RouteTarget(deployment_id="dep_b", weight=0, match=RouteMatch(header="x"))], "targets", "with this match"),
    ],
)
def test_what_is_wrong_with_targets_is_said(targets: list[RouteTarget], field: str, words: str) -> None:
    assert words in faults(lambda: make(RouteDraft(name="x", targets=tuple(targets))))[field]


def test_a_target_of_weight_0_stands_beside_one_that_has_some() -> None:
    made = make(RouteDraft(name="x", targets=(A, RouteTarget(deployment_id="dep_b", weight=0))))
    assert [target.weight for target in made.targets] == [1, 0]


def test_a_route_of_providers_only_serves_the_kind_that_is_stated() -> None:
    draft = RouteDraft(name="x", model_kind="embedding", targets=(RouteTarget(provider_id="prv_x"),))
    assert make(draft, provider_ids={"prv_x"}).model_kind is ModelKind.EMBEDDING
    unknown = RouteDraft(name="x", model_kind="talk", targets=draft.targets)
    assert "allowed are" in faults(lambda: make(unknown, provider_ids={"prv_x"}))["model_kind"]


def test_all_faults_are_told_at_once() -> None:
    draft = RouteDraft(
        name="", targets=(RouteTarget(deployment_id="gone", weight=-1),), split_by="x", key_ids=("key_x",)
    )
    assert faults(lambda: make(draft)).keys() == {
        "name",
        "targets.0.weight",
        "targets",
        "targets.0.deployment_id",
        "split_by",
        "key_ids.0",
    }


def test_names_are_taken_by_deployments_and_by_routes_of_the_same_owner_only() -> None:
    own = a_route("a", deployment_id="dep_a")
    with pytest.raises(NameTaken, match="Another deployment"):
        make(RouteDraft(name="a", targets=(A,)), own)
    with pytest.raises(NameTaken, match="Another route"):
        make(RouteDraft(name="a", targets=(A,)), a_route("a"))
    assert make(RouteDraft(name="a", targets=(A,)), a_route("a", tenant_id="")).name == "a"


def circle_faults(route: Route, *others: Route) -> str:
    findings = Findings()
    check_circles(route, [*others, route], findings)
    try:
        findings.refuse()
    except InvalidInput as error:
        return str(error)
    return ""


def test_aliases_and_fallbacks_of_any_reason_make_a_circle_together() -> None:
    b, c = a_route("b", alias_of="c"), a_route("c", fallbacks=("a",))
    assert "a -> b -> c -> a" in circle_faults(a_route("a", fallbacks=("b",)), b, c)
    assert circle_faults(a_route("a", fallbacks=("b",)), b, a_route("c", fallbacks=("d",)), a_route("d")) == ""


def test_a_circle_elsewhere_ends_the_search_and_is_not_this_routes_fault() -> None:
    b, c = a_route("b", alias_of="c"), a_route("c", alias_of="b")
    assert "circle" not in circle_faults(a_route("a", fallbacks=("b",)), b, c)


def test_a_chain_that_grows_too_long_is_refused_wherever_it_grows() -> None:
    chain = [a_route(f"n{i}", alias_of=f"n{i + 1}") for i in range(8)]
    assert circle_faults(a_route("n8", alias_of="end"), *chain, a_route("end")).startswith("alias_of")
    assert circle_faults(a_route("n8"), *chain) == ""


def test_a_platforms_alias_does_not_lead_back_by_what_a_tenant_calls_its_own() -> None:
    shared = a_route("chat", alias_of="llama", tenant_id="")
    mine = a_route("llama", alias_of="chat")
    assert circle_faults(mine, shared, a_route("llama", tenant_id="")) == ""


def test_a_route_that_is_meant_by_others_is_neither_deleted_nor_renamed() -> None:
    llama, chat = a_route("llama"), a_route("chat", alias_of="llama")
    known = Known(routes=[llama, chat], deployments=DEPLOYMENTS)
    with pytest.raises(RouteInUse, match="by the routes chat"):
        delete_route(llama, known, change=CHANGE)
    with pytest.raises(RouteInUse, match="by the routes chat"):
        revise_route(llama, RoutePatch(name="other"), known, change=CHANGE)
    assert delete_route(chat, known, change=CHANGE).is_deleted


def test_a_platforms_route_is_not_missed_by_a_tenant_that_has_its_own() -> None:
    shared, mine, chat = a_route("llama", tenant_id=""), a_route("llama"), a_route("chat", alias_of="llama")
    assert delete_route(shared, Known(routes=[shared, mine, chat]), change=CHANGE).is_deleted
    with pytest.raises(RouteInUse):
        delete_route(shared, Known(routes=[shared, chat]), change=CHANGE)


def test_a_route_that_others_fall_back_to_keeps_its_kind() -> None:
    known = Known(
        routes=[a_route("a"), a_route("b", fallbacks=("a",))],
        deployments={**DEPLOYMENTS, "dep_e": Target("e", ModelKind.EMBEDDING)},
    )
    patch = RoutePatch(targets=(RouteTarget(deployment_id="dep_e"),))
    with pytest.raises(RouteInUse):
        revise_route(a_route("a"), patch, known, change=CHANGE)


def test_a_fallback_is_a_route_of_the_same_kind() -> None:
    draft = RouteDraft(name="x", targets=(A,), fallbacks=(FallbackDraft(reason="error", route="e"),))
    other = a_route("e", model_kind=ModelKind.EMBEDDING)
    assert "embedding" in faults(lambda: make(draft, other))["fallbacks.0.route"]


def test_a_deployments_own_route_follows_it_and_keeps_its_settings() -> None:
    deployment = a_deployment()
    own = own_route(deployment, route_id="rte_1")
    assert (own.name, own.deployment_id, own.generation) == ("smol", deployment.deployment_id, 1)
    assert followed(own, deployment) is own
    with pytest.raises(RouteOfDeployment):
        delete_route(own, Known(routes=[own]), change=CHANGE)


def test_a_deployment_that_others_lead_to_is_not_deleted() -> None:
    own = a_route("a", deployment_id="dep_a")
    require_unrouted("dep_a", [own])
    with pytest.raises(DeploymentInUse, match="The routes x lead"):
        require_unrouted("dep_a", [own, a_route("x")])
    with pytest.raises(RouteInUse, match="routes y"):
        require_unrouted("dep_a", [own, a_route("y", alias_of="a")])


def test_what_changes_nothing_is_no_change_and_what_changes_makes_the_next_generation() -> None:
    route, known = a_route("a"), Known(routes=[a_route("a")], deployments=DEPLOYMENTS)
    assert revise_route(route, RoutePatch(), known, change=CHANGE) is route
    changed = revise_route(route, RoutePatch(targets=(A, B)), known, change=CHANGE)
    assert (changed.generation, changed.updated_by) == (2, "user:ann")


def test_what_is_there_is_what_somebody_could_have_wanted() -> None:
    route = a_route("a", fallbacks=("b",))
    again = make(draft_of(replace(route, name="c")), route, a_route("b"))
    assert (again.targets, again.settings) == (route.targets, route.settings)


@given(weights=st.lists(st.integers(-2, 3), min_size=1, max_size=5), priorities=st.lists(st.integers(0, 2), min_size=5))
def test_what_passes_can_always_be_drawn_from(weights: list[int], priorities: list[int]) -> None:
    named = {f"dep_{i}": Target(f"d{i}", ModelKind.CHAT) for i in range(5)}
    targets = tuple(
        RouteTarget(deployment_id=f"dep_{i}", weight=weight, priority=priorities[i]) for i, weight in enumerate(weights)
    )
    try:
        made = make(RouteDraft(name="x", targets=targets), deployments=named)
    except InvalidInput:
        return
    for priority in {one.priority for one in made.targets}:
        assert sum(one.weight for one in made.targets if one.priority == priority) > 0
