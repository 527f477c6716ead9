"""The catalog's preview and the router come to the same end: two programs, one answer."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roundhouse_catalog.domain.limits import Limit, limit_record
from roundhouse_catalog.domain.preview import Sketch, preview
from roundhouse_catalog.domain.routes import Route, RouteSettings, route_record
from roundhouse_common.contracts.catalog import ModelKind
from roundhouse_common.contracts.routing import ApiKeyRecord, LimitDimension, RouteMatch, RouteTarget
from roundhouse_common.routing import shares
from roundhouse_common.runtime import UnixTime
from roundhouse_router.domain.errors import ModelNotFound
from roundhouse_router.domain.limits.table import limits_table
from roundhouse_router.domain.routing import resolve
from roundhouse_router.domain.tables import RoutingTable, by_name
from roundhouse_router.domain.targets import RequestFacts

pytestmark = pytest.mark.contract("D08")

NAMES = st.sampled_from(["a", "b", "ab", "a*", "*", "*b", "a*b"])
MATCHES = st.sampled_from([None, None, RouteMatch(header="x-beta"), RouteMatch(header="x-beta", value="1")])
TARGETS = st.builds(
    RouteTarget,
    deployment_id=st.sampled_from(["dep_1", "dep_2", ""]),
    provider_id=st.just("prv_1"),
    model=st.sampled_from(["", "m", "m-*"]),
    weight=st.integers(0, 2),
    priority=st.integers(0, 1),
    match=MATCHES,
)


@st.composite
def routes_of(draw: st.DrawFn) -> list[Route]:
    named = draw(st.lists(st.tuples(st.sampled_from(["ten", "", "other"]), NAMES), unique=True, max_size=7))
    return [draw(a_route(f"rte_{index}", tenant_id, name)) for index, (tenant_id, name) in enumerate(named)]


@st.composite
def a_route(draw: st.DrawFn, route_id: str, tenant_id: str, name: str) -> Route:
    alias_of = draw(st.one_of(st.just(""), NAMES))
    for_tenants = draw(st.sampled_from([(), (), ("ten",), ("other",)])) if tenant_id == "" else ()
    keys = draw(st.sampled_from([(), (), ("key_1",), ("key_2",)]))
    return Route(
        route_id=route_id,
        tenant_id=tenant_id,
        name=name,
        model_kind=ModelKind.CHAT,
        targets=() if alias_of else tuple(draw(st.lists(TARGETS, min_size=1, max_size=4))),
        alias_of=alias_of,
        settings=RouteSettings(key_ids=keys, tenant_ids=for_tenants),
        created_at=UnixTime(0.0),
        created_by="",
        updated_at=UnixTime(0.0),
        updated_by="",
    )


@given(
    routes=routes_of(),
    model=st.sampled_from(["a", "b", "ab", "axb", "x", "a*"]),
    header=st.sampled_from([None, "1", "2"]),
    deployment_ids=st.sampled_from([(), (), ("dep_1",)]),
)
@settings(max_examples=500, deadline=None)
def test_what_is_told_is_what_happens(
    routes: list[Route], model: str, header: str | None, deployment_ids: tuple[str, ...]
) -> None:
    key = ApiKeyRecord(
        key_id="key_1", sha256="", name="", tenant_id="ten", user_id="usr", deployment_ids=deployment_ids
    )
    headers = {} if header is None else {"x-beta": header}
    sketch = Sketch(
        model=model,
        tenant_id="ten",
        headers=headers,
        key_id="key_1",
        key_user_id="usr",
        key_deployment_ids=deployment_ids,
    )
    mine = [one for one in routes if one.tenant_id in ("ten", "")]
    told = preview(sketch, mine, [])
    table = RoutingTable(routes=by_name(route_record(one) for one in routes))
    facts = RequestFacts(
        key=key, features=(), headers={name.encode(): value.encode() for name, value in headers.items()}
    )
    try:
        found = resolve(table, key, model)
    except ModelNotFound:
        assert told.why_not
        assert told.targets == ()
        return
    happens = found.order(facts, lambda: 0.5)
    assert told.meant is not None
    assert (told.named.route_id if told.named else "", told.meant.route_id) == (
        found.named.route_id,
        found.route.route_id,
    )
    assert sorted(map(repr, happens)) == sorted(repr(one.target) for one in told.targets)
    assert bool(happens) == (not told.why_not)
    assert [one.share for one in told.targets] == list(shares([one.target for one in told.targets]))


def some(*values: str) -> st.SearchStrategy[tuple[str, ...]]:
    return st.sampled_from([(), (), *((value,) for value in values), values])


LIMITS = st.lists(
    st.builds(
        lambda **of: Limit(
            **of,
            limit_id="",
            name="",
            bounds={"requests_per_minute": 1},
            created_at=UnixTime(0.0),
            created_by="",
            updated_at=UnixTime(0.0),
            updated_by="",
        ),
        tenant_id=st.sampled_from(["ten", ""]),
        per=st.sampled_from([(), (LimitDimension.KEY,), (LimitDimension.KEY, LimitDimension.ROUTE)]),
        tenant_ids=some("ten", "other"),
        user_ids=some("usr", "ann"),
        key_ids=some("key_1", "key_2"),
        route_ids=some("rte_a", "rte_b"),
    ),
    max_size=5,
)


@pytest.mark.contract("D01")
@given(limits=LIMITS, model=st.sampled_from(["a", "b", "alias"]))
@settings(max_examples=300, deadline=None)
def test_the_limits_that_are_told_are_those_that_hold(limits: list[Limit], model: str) -> None:
    named = [replace(one, limit_id=f"lim_{index}") for index, one in enumerate(limits)]
    routes = [bare("a"), bare("b"), bare("alias", alias_of="b")]
    sketch = Sketch(model=model, tenant_id="ten", headers={}, user="ann", key_id="key_1", key_user_id="usr")
    told = preview(sketch, routes, named)
    assert told.meant is not None
    plan = limits_table(limit_record(one) for one in named).plan(("ten", "usr", "key_1", told.meant.route_id))
    assert [one.limit_id for one in told.limits] == [rule.limit_id for rule in plan.rules]


def bare(name: str, alias_of: str = "") -> Route:
    return Route(
        route_id=f"rte_{name}",
        tenant_id="ten",
        name=name,
        model_kind=ModelKind.CHAT,
        targets=() if alias_of else (RouteTarget(deployment_id="dep_1"),),
        alias_of=alias_of,
        created_at=UnixTime(0.0),
        created_by="",
        updated_at=UnixTime(0.0),
        updated_by="",
    )
