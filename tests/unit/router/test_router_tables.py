"""Who may call what, and where a name leads."""

from dataclasses import replace

import pytest

from roundhouse_common.contracts.routing import ApiKeyRecord, RouteRecord, RouteTarget
from roundhouse_common.runtime import UnixTime
from roundhouse_router.domain.errors import InvalidKey, ModelNotFound
from roundhouse_router.domain.routing import resolve, visible_routes
from roundhouse_router.domain.tables import (
    EMPTY,
    RoutingTable,
    authenticate,
    by_digest,
    by_name,
    latest,
)
from tests.support.running_router import SECRET, api_key, deployment_endpoints, route

NOW = UnixTime(1_800_000_000.0)


def table(*, key: ApiKeyRecord | None = None, routes: tuple[RouteRecord, ...] = ()) -> RoutingTable:
    return replace(EMPTY, keys=by_digest([key or api_key()]), routes=by_name(routes or [route()]))


@pytest.mark.contract("E04")
@pytest.mark.parametrize("header", [f"Bearer {SECRET}", f"bearer {SECRET}", f"BEARER   {SECRET} "])
def test_a_key_is_known_by_its_digest(header: str) -> None:
    assert authenticate(table(), header.encode(), NOW).key_id == "key_1"


@pytest.mark.contract("E04")
@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"Bearer",
        b"Bearer ",
        b"Basic abc",
        SECRET.encode(),
        b"Bearer rh-wrong",
        b"Bearer \xff\xfe",
        b"Bearer '; drop",
    ],
)
def test_anything_else_is_refused(header: bytes) -> None:
    with pytest.raises(InvalidKey):
        authenticate(table(), header, NOW)


@pytest.mark.contract("E04")
def test_revoked_and_expired_keys_say_so_to_those_who_hold_them() -> None:
    with pytest.raises(InvalidKey, match="revoked"):
        authenticate(table(key=api_key(is_revoked=True)), f"Bearer {SECRET}".encode(), NOW)
    with pytest.raises(InvalidKey, match="expired"):
        authenticate(table(key=api_key(expires_at=NOW)), f"Bearer {SECRET}".encode(), NOW)
    assert authenticate(table(key=api_key(expires_at=NOW + 1)), f"Bearer {SECRET}".encode(), NOW)


def test_no_refusal_repeats_the_secret() -> None:
    with pytest.raises(InvalidKey) as refusal:
        authenticate(table(), b"Bearer rh-guessed", NOW)
    assert b"guessed" not in refusal.value.body()


@pytest.mark.contract("B11")
def test_a_model_that_the_key_may_not_use_looks_like_one_that_does_not_exist() -> None:
    known = table(routes=(route("tiny", "dep_1"), route("big", "dep_2")))
    limited = api_key(deployment_ids=("dep_2",))
    assert [target.deployment_id for target in resolve(known, limited, "big").targets] == ["dep_2"]
    with pytest.raises(ModelNotFound) as forbidden:
        resolve(known, limited, "tiny")
    with pytest.raises(ModelNotFound) as absent:
        resolve(known, limited, "nope")
    assert forbidden.value.body().replace(b"tiny", b"nope") == absent.value.body()
    assert [shown.name for shown in visible_routes(known, limited)] == ["big"]


def test_tenants_do_not_see_each_other() -> None:
    known = table(routes=(route("tiny", tenant_id="ten_other"),))
    with pytest.raises(ModelNotFound):
        resolve(known, api_key(), "tiny")
    assert visible_routes(known, api_key()) == []


def test_of_several_targets_only_the_allowed_ones_are_used() -> None:
    targets = (RouteTarget(deployment_id="dep_1"), RouteTarget(deployment_id="dep_2"))
    known = table(routes=(route("both", targets=targets),))
    assert resolve(known, api_key(deployment_ids=("dep_2",)), "both").targets == (targets[1],)


def test_a_deleted_route_leads_nowhere_and_its_name_may_be_used_again() -> None:
    old, new = route(route_id="rte_1", is_deleted=True), route(route_id="rte_2")
    assert by_name([old, new])["ten_default", "tiny"] is new
    assert by_name([old]) == {}


def test_of_two_live_routes_the_older_wins_whatever_the_order() -> None:
    old, new = route(route_id="rte_1"), route(route_id="rte_2")
    assert by_name([old, new]) == by_name([new, old]) == {("ten_default", "tiny"): old}


def test_an_older_revision_and_absence_change_nothing() -> None:
    first, second = deployment_endpoints(revision=1), deployment_endpoints(revision=2)
    other = deployment_endpoints(deployment_id="dep_2")
    known = {"dep_1": second, "dep_2": other}
    assert latest(known, {"dep_1": first}) == known
    assert latest(known, {}) == known
    assert latest({"dep_1": first}, {"dep_1": second}) == {"dep_1": second}
