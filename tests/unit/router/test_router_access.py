"""Who may use what: access of routes, what a key is kept to, both secrets of a rotation, and networks."""

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_common.client_address import Proxies, networks
from roundhouse_common.contracts.routing import Access, ApiKeyRecord, RouteRecord
from roundhouse_common.runtime import UnixTime
from roundhouse_router.domain.errors import InvalidKey, ModelNotFound, ModelNotPermitted, PermissionDenied
from roundhouse_router.domain.route_table import is_open_to
from roundhouse_router.domain.routing import resolve, visible_routes
from roundhouse_router.domain.tables import EMPTY, RoutingTable, authenticate, by_digest, by_name, check_address
from tests.support.running_router import api_key, route

NOW = UnixTime(1_795_000_000.0)
KEY = api_key()
COLLEAGUE = api_key("rh-colleague", key_id="key_2", user_id="usr_b")
STRANGER = api_key("rh-stranger", key_id="key_3", user_id="usr_admin", tenant_id="ten_other")


def table(*routes: RouteRecord) -> RoutingTable:
    return replace(EMPTY, routes=by_name(routes), is_known=True)


def may_use(known: RoutingTable, key: ApiKeyRecord, model: str = "tiny") -> bool:
    try:
        resolve(known, key, model)
    except ModelNotFound as refusal:
        return refusal.body() != ModelNotFound(model).body()  # one that says more has found something
    return True


@pytest.mark.contract("B10")
@pytest.mark.parametrize(
    ("changed", "own", "colleague", "stranger"),
    [
        ({"access": Access.PRIVATE, "owner_id": "usr_admin"}, True, False, False),
        ({"access": Access.PRIVATE}, False, False, False),
        ({"access": Access.UNKNOWN, "owner_id": "usr_admin"}, True, False, False),
        ({"access": Access.TENANT}, True, True, False),
        ({"access": Access.PUBLIC}, True, True, True),
        ({"tenant_id": ""}, True, True, True),
        ({"tenant_id": "", "access": Access.PRIVATE, "tenant_ids": ("ten_other",)}, False, False, True),
    ],
)
def test_a_routes_access_says_whose_keys_may_use_it(
    changed: dict[str, Any], own: bool, colleague: bool, stranger: bool
) -> None:
    known = table(route(**changed))
    assert [may_use(known, key) for key in (KEY, COLLEAGUE, STRANGER)] == [own, colleague, stranger]
    listed = [bool(visible_routes(known, key)) for key in (KEY, COLLEAGUE, STRANGER)]
    assert listed == [own, colleague, stranger]


@pytest.mark.contract("B11")
def test_a_private_deployment_is_open_to_keys_that_name_it_and_to_its_project() -> None:
    private = route(access=Access.PRIVATE, owner_id="usr_x", project_id="prj_1")
    known = table(private)
    assert may_use(known, api_key(deployment_ids=("dep_1",)))
    assert not may_use(known, api_key(deployment_ids=("dep_2",)))
    assert may_use(known, api_key(project_id="prj_1"))
    assert not may_use(known, api_key(project_id="prj_2"))
    assert not may_use(known, api_key(tenant_id="ten_other", deployment_ids=("dep_1",), project_id="prj_1"))


def test_what_is_not_open_hides_nothing() -> None:
    known = table(
        route("chat", "mine", access=Access.PRIVATE, owner_id="usr_b"),
        route("chat", "all", tenant_id="", route_id="rte_p"),
        route("other", "public", tenant_id="ten_x", access=Access.PUBLIC, route_id="rte_2"),
        route("other", "older", tenant_id="ten_y", access=Access.PUBLIC, route_id="rte_1"),
    )
    assert [resolve(known, key, "chat").targets[0].deployment_id for key in (KEY, COLLEAGUE)] == ["all", "mine"]
    assert resolve(known, KEY, "other").targets[0].deployment_id == "older", "of two public ones the older wins"


def test_a_public_pattern_is_for_everybody_after_their_own() -> None:
    known = table(
        route("gpt-*", "public", tenant_id="ten_x", access=Access.PUBLIC), route("gpt-*", "own", tenant_id="ten_other")
    )
    assert resolve(known, KEY, "gpt-4").targets[0].deployment_id == "public"
    assert resolve(known, STRANGER, "gpt-4").targets[0].deployment_id == "own"


@pytest.mark.contract("B11")
def test_a_key_with_models_is_refused_others_whether_or_not_there_are_such() -> None:
    known = table(route("tiny"), route("gpt-4"), route("large"))
    key = api_key(models=("gpt-*", "tiny"))
    assert [shown.name for shown in visible_routes(known, key)] == ["gpt-4", "tiny"]
    for model in ("large", "no-such"):
        with pytest.raises(ModelNotPermitted) as refused:
            resolve(known, key, model)
        assert (refused.value.status, refused.value.error_code) == (403, "permission_denied")
    with pytest.raises(ModelNotFound):
        resolve(known, key, "gpt-5")


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def bearer(secret: str) -> bytes:
    return f"Bearer {secret}".encode()


@pytest.mark.contract("B12")
def test_both_secrets_of_a_rotation_are_good_until_the_overlap_ends() -> None:
    rotated = api_key("rh-new", previous_sha256=digest("rh-old"), previous_until=NOW + 60)
    known = replace(EMPTY, keys=by_digest([rotated]))
    assert authenticate(known, bearer("rh-new"), NOW) is rotated
    old = authenticate(known, bearer("rh-old"), NOW)
    assert (old.key_id, old.expires_at) == (rotated.key_id, NOW + 60), "who keeps it need look at expires_at only"
    with pytest.raises(InvalidKey):
        authenticate(known, bearer("rh-old"), UnixTime(NOW + 60))
    assert authenticate(known, bearer("rh-new"), UnixTime(NOW + 61)).expires_at == 0
    without = replace(EMPTY, keys=by_digest([api_key("rh-new", previous_sha256=digest("rh-old"))]))
    with pytest.raises(InvalidKey):
        authenticate(without, bearer("rh-old"), NOW)


def test_a_previous_secret_does_not_outlive_the_key_nor_its_revocation() -> None:
    ends = api_key("rh-new", previous_sha256=digest("rh-old"), previous_until=NOW + 60, expires_at=NOW + 5)
    assert authenticate(replace(EMPTY, keys=by_digest([ends])), bearer("rh-old"), NOW).expires_at == NOW + 5
    gone = api_key("rh-new", previous_sha256=digest("rh-old"), previous_until=NOW + 60, is_revoked=True)
    with pytest.raises(InvalidKey):
        authenticate(replace(EMPTY, keys=by_digest([gone])), bearer("rh-old"), NOW)


def test_a_blocked_key_is_known_and_refused() -> None:
    blocked = replace(EMPTY, keys=by_digest([api_key("rh-new", is_blocked=True)]))
    with pytest.raises(PermissionDenied) as refused:
        authenticate(blocked, bearer("rh-new"), NOW)
    assert refused.value.status == 403


@pytest.mark.parametrize(
    ("address", "is_let_in"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("192.0.2.7", True),
        ("192.0.2.8", False),
        ("2001:db8::5", True),
        ("2001:db9::5", False),
        ("", False),
        ("unix", False),
    ],
)
def test_a_key_with_networks_is_for_requests_from_there(address: str, is_let_in: bool) -> None:
    key = api_key(ip_ranges=("10.0.0.0/8", "192.0.2.7", "2001:db8::/32"))
    check_address(KEY, address)
    if is_let_in:
        check_address(key, address)
        return
    with pytest.raises(PermissionDenied):
        check_address(key, address)


def test_networks_that_nobody_can_read_let_nobody_in() -> None:
    with pytest.raises(PermissionDenied):
        check_address(api_key(ip_ranges=("anywhere",)), "10.0.0.1")


BEHIND = Proxies(trusted=networks(["10.0.0.0/24", "fd00::/8"]))


@pytest.mark.parametrize(
    ("peer", "told", "client"),
    [
        ("203.0.113.5", b"198.51.100.1", "203.0.113.5"),  # not one of our proxies: what it says is its own
        ("10.0.0.1", b"", "10.0.0.1"),
        ("10.0.0.1", b"198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", b"6.6.6.6, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", b"198.51.100.1:4711", "198.51.100.1"),
        ("fd00::1", b"[2001:db8::9]:443", "2001:db8::9"),
        ("10.0.0.1", b"198.51.100.1, unknown", "10.0.0.1"),
        ("10.0.0.1", b"10.0.0.7", "10.0.0.7"),
    ],
)
def test_only_what_trusted_proxies_say_of_the_client_is_believed(peer: str, told: bytes, client: str) -> None:
    assert BEHIND.client_of(peer, {b"x-forwarded-for": told}) == client
    assert Proxies().client_of(peer, {b"x-forwarded-for": told}) == peer


def test_the_standard_header_is_read_where_it_is_the_one_that_proxies_write() -> None:
    proxies = Proxies(trusted=BEHIND.trusted, header="forwarded")
    told = b'for=6.6.6.6;proto=https, For="[2001:db8::9]:443";by=10.0.0.2, for=10.0.0.3'
    assert proxies.client_of("10.0.0.1", {b"forwarded": told, b"x-forwarded-for": b"7.7.7.7"}) == "2001:db8::9"


@given(st.sampled_from(["10.0.0.1", "203.0.113.5"]), st.binary(max_size=60))
def test_whatever_is_in_the_header_is_no_error(peer: str, told: bytes) -> None:
    for header in ("x-forwarded-for", "forwarded"):
        client = Proxies(trusted=BEHIND.trusted, header=header).client_of(peer, {header.encode(): told})
        assert client


@given(st.sampled_from(list(Access)), st.sampled_from(["", "usr_admin", "usr_b"]), st.sampled_from(["", "prj_1"]))
def test_nothing_of_another_tenant_is_open_unless_it_is_public(access: Access, owner: str, project: str) -> None:
    record = route(access=access, owner_id=owner, project_id=project)
    key = api_key(tenant_id="ten_other", project_id="prj_1", deployment_ids=("dep_1",))
    assert is_open_to(record, key) == (access is Access.PUBLIC)
