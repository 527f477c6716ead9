"""Where a name leads for a key: own routes and the platform's, patterns, aliases, and who may use them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_common.contracts.routing import ApiKeyRecord, RouteRecord, RouteTarget
from roundhouse_common.routing import follow_alias, match_route
from roundhouse_router.domain.errors import ModelNotFound
from roundhouse_router.domain.routing import resolve, visible_routes
from roundhouse_router.domain.tables import EMPTY, RoutingTable, by_name
from tests.support.running_router import api_key, route

KEY = api_key()
OTHER = api_key("rh-other", key_id="key_2", tenant_id="ten_other")


def table(*routes: RouteRecord) -> RoutingTable:
    return replace(EMPTY, routes=by_name(routes), is_known=True)


def platform(name: str, deployment_id: str = "dep_p", **changed: object) -> RouteRecord:
    return route(name, deployment_id, route_id=f"rte_p_{name}", tenant_id="", **changed)


def outside(name: str, model: str = "") -> RouteRecord:
    return route(name, targets=(RouteTarget(provider_id="prv_1", model=model),))


def led_to(known: RoutingTable, model: str, key: ApiKeyRecord = KEY) -> str:
    return resolve(known, key, model).targets[0].deployment_id


def is_found(known: RoutingTable, model: str, key: ApiKeyRecord = KEY) -> bool:
    try:
        resolve(known, key, model)
    except ModelNotFound as refusal:
        return refusal.body() != ModelNotFound(model).body()  # a refusal that says more has found something
    return True


@pytest.mark.contract("D08")
@pytest.mark.parametrize(
    ("model", "deployment_id"),
    [
        ("gpt-4", "exact"),
        ("gpt-4o", "longest"),
        ("gpt-3", "pattern"),
        ("llama", "own"),
        ("claude", "platform"),
        ("x-mini", "platform-pattern"),
        ("anything", "catch-all"),
    ],
)
def test_an_exact_name_goes_before_patterns_and_the_tenants_own_before_the_platforms(
    model: str, deployment_id: str
) -> None:
    known = table(
        route("gpt-4", "exact"),
        route("gpt-*", "pattern"),
        route("gpt-4*", "longest"),
        route("llama", "own"),
        platform("llama", "not-this"),
        platform("claude", "platform"),
        platform("gpt-*", "not-this-either"),
        platform("*-mini", "platform-pattern"),
        platform("*", "catch-all"),
    )
    assert led_to(known, model) == deployment_id


def test_routes_of_the_platform_are_for_every_tenant_or_for_those_named() -> None:
    known = table(platform("open"), platform("closed", tenant_ids=("ten_other",)), platform("c*", "dep_c"))
    assert is_found(known, "open")
    assert led_to(known, "closed") == "dep_c", "what is not there for a tenant hides nothing from it"
    assert led_to(known, "closed", OTHER) == "dep_p"


@pytest.mark.contract("B11")
def test_whatever_a_key_may_not_use_looks_like_nothing() -> None:
    known = table(
        route("theirs", key_ids=("key_9",)),
        route("mine", key_ids=("key_1",)),
        route("to-theirs", alias_of="theirs"),
        route("gone", is_deleted=True),
        route("circle", alias_of="circle"),
        route("nowhere", alias_of="gone"),
        route("empty", targets=()),
        route("foreign", tenant_id="ten_other"),
    )
    names = ("theirs", "mine", "to-theirs", "gone", "circle", "nowhere", "empty", "foreign")
    assert [name for name in names if is_found(known, name)] == ["mine"]
    assert not is_found(known, "mine" * 1000)
    assert not is_found(table(route("*")), "m" * 513), "a name that nobody can mean"
    assert [shown.name for shown in visible_routes(known, KEY)] == ["mine"]


def test_a_key_for_some_deployments_has_no_other_targets() -> None:
    both = route(
        "both", targets=(RouteTarget(deployment_id="a"), RouteTarget(deployment_id="b"), RouteTarget(provider_id="p"))
    )
    limited = api_key(deployment_ids=("b",))
    known = table(both, outside("out"))
    assert [target.deployment_id for target in resolve(known, limited, "both").targets] == ["b"]
    assert not is_found(known, "out", limited)


@pytest.mark.contract("D09")
def test_an_alias_has_the_targets_and_the_settings_of_what_it_names() -> None:
    known = table(route("fast", alias_of="small"), route("small", alias_of="tiny"), route("tiny", is_coalesced=True))
    found = resolve(known, KEY, "fast")
    assert (found.named.name, found.route.name, found.model, found.route.is_coalesced) == ("fast", "tiny", "fast", True)
    assert {shown.name for shown in visible_routes(known, KEY)} == {"fast", "small", "tiny"}


def test_a_platforms_alias_means_the_platforms_routes_whatever_tenants_call_theirs() -> None:
    known = table(platform("chat", alias_of="llama"), platform("llama", "dep_p"), route("llama", "mine"))
    assert led_to(known, "chat") == "dep_p"
    assert (
        led_to(table(route("chat", alias_of="llama"), platform("llama", "dep_p"), route("llama", "mine")), "chat")
        == "mine"
    )


@pytest.mark.parametrize(
    ("name", "given_model", "asked", "sent"),
    [
        ("gpt-4", "", "gpt-4", "gpt-4"),
        ("gpt-4", "other", "gpt-4", "other"),
        ("openai/*", "", "openai/gpt-4", "openai/gpt-4"),
        ("openai/*", "*", "openai/gpt-4", "gpt-4"),
        ("openai/*", "oai-*-latest", "openai/gpt-4", "oai-gpt-4-latest"),
        ("a*b*", "x-*", "a1b2", "x-*"),
    ],
)
def test_a_provider_is_sent_its_own_name_or_the_clients_or_the_part_that_a_pattern_left_open(
    name: str, given_model: str, asked: str, sent: str
) -> None:
    (target,) = resolve(table(outside(name, given_model)), KEY, asked).targets
    assert target.model == sent


def test_what_was_resolved_once_is_not_resolved_again_until_the_key_or_the_routes_change() -> None:
    known = table(route("tiny"))
    first = resolve(known, KEY, "tiny")
    assert resolve(known, KEY, "tiny") is first
    assert resolve(replace(known, deployments={}), KEY, "tiny") is first
    assert not is_found(known, "tiny", api_key(deployment_ids=("dep_9",)))
    assert resolve(replace(known, routes=by_name([route("tiny", "dep_9")])), KEY, "tiny").targets != first.targets


def test_names_that_a_pattern_fits_take_a_bounded_part_of_memory() -> None:
    known = table(route("*"))
    for number in range(10_500):
        resolve(known, KEY, f"model-{number}")
    assert len(known.routes.resolved) <= 10_000


names = st.sampled_from(["a", "ab", "a*", "*b", "a*b", "*", "b"])


@given(st.sets(names), st.text("ab", max_size=4))
def test_names_lead_where_the_catalog_says_they_do(live: set[str], model: str) -> None:
    found = table(*(route(name) for name in live)).routes.find(KEY, model)
    assert (found.name if found else None) == match_route(live, model)


@given(st.dictionaries(st.sampled_from("abcdefghijk"), st.sampled_from("abcdefghijkx"), max_size=11), st.booleans())
def test_aliases_lead_where_the_catalog_says_they_do(aliases: dict[str, str], is_ours: bool) -> None:
    make = route if is_ours else platform
    known = table(*(make(name, alias_of=meant) for name, meant in aliases.items()), make("x"))
    for name in aliases:
        named = known.routes.find(KEY, name)
        assert named is not None
        meant, _ = follow_alias(named, lambda tenant_id, wanted: known.routes.get((tenant_id, wanted)))
        assert is_found(known, name) == (meant is not None)
