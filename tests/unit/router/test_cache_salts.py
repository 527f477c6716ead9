"""The salt that keeps tenants apart in engines' caches: whose it is, where it is put, which deployments need one."""

import itertools
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.contracts.routing import Access, Balancing, RouteRecord, Strategy
from roundhouse_common.contracts.usage import Operation
from roundhouse_common.secret_box import SecretBox, SecretFile, new_secrets_key
from roundhouse_router.domain.cache_salts import CacheSalts, scoped
from roundhouse_router.domain.choosing.chooser import Chooser, ChoosingOptions
from roundhouse_router.domain.engines import RUNNING
from roundhouse_router.domain.errors import ApiError
from roundhouse_router.domain.request import outgoing, parse
from roundhouse_router.domain.routing import resolve
from roundhouse_router.domain.tables import EMPTY, by_name
from roundhouse_router.options import cache_salts_of
from roundhouse_router.settings import RouterSettings
from tests.support.choosing import World, endpoints
from tests.support.running_router import api_key, route

pytestmark = pytest.mark.contract("E03")

SALTS = CacheSalts(b"secret")
SALT = SALTS.of("ten_a")
LLAMA = RUNNING[EngineKind.LLAMA_CPP]
values = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8)
others = st.dictionaries(st.text(max_size=12).filter(lambda name: name not in ("model", "cache_salt")), values)
spaces = st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t:  ")])


def sent(document: dict[str, Any] | bytes, *, salt: bytes = SALT, **how: Any) -> bytes:  # Any: keywords of `outgoing`
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return outgoing(parse(body, Operation.CHAT), salt=salt, **{"served_model": "m", "running": None, **how})


def salt_in(body: bytes) -> bytes:
    found = json.loads(body)["cache_salt"]
    assert isinstance(found, str)
    return found.encode()


@given(others, spaces, st.booleans(), st.sampled_from(["m", "another"]))
def test_the_tenants_salt_is_added_and_nothing_else_changes(
    rest: dict[str, Any], separators: tuple[str, str], ascii_only: bool, served: str
) -> None:
    body = b" \n" + json.dumps({**rest, "model": "m"}, separators=separators, ensure_ascii=ascii_only).encode() + b" \n"
    made = sent(body, served_model=served)
    document = {**json.loads(body), "model": served, "cache_salt": SALT.decode()}
    if not document.get("stream"):
        assert json.loads(made) == document


def test_a_stream_gets_salt_and_usage_at_once() -> None:
    body = b'{"model":"m","stream":true, "temperature":1.10 }'
    assert sent(body) == (
        b'{"stream_options":{"include_usage":true},"model":"m","stream":true, "temperature":1.10 ,'
        b'"cache_salt":"%b"}' % SALT
    )
    document = json.loads(sent({"model": "m", "stream": True, "stream_options": {"x": 1}}))
    assert document["stream_options"] == {"x": 1, "include_usage": True}
    assert document["cache_salt"] == SALT.decode()
    assert salt_in(sent(body, running=LLAMA)) == SALT


def test_without_a_salt_the_body_is_the_clients_own() -> None:
    body = b'{"model":"m","cache_salt":"mine"}'
    assert sent(body, salt=b"") == body


@pytest.mark.parametrize("given", ["mine", 5, ["a", "b"], {"a": 1}, True])
def test_a_callers_own_salt_tells_apart_within_its_tenant_only(given: Any) -> None:
    document = {"model": "m", "cache_salt": given}
    ours, theirs = salt_in(sent(document)), salt_in(sent(document, salt=SALTS.of("ten_b")))
    assert ours == salt_in(sent({**document, "top_p": 1, "stream": True}))
    assert len({ours, theirs, SALT, SALTS.of("ten_b"), salt_in(sent({"model": "m", "cache_salt": "other"}))}) == 5


@pytest.mark.parametrize("given", [None, ""])
def test_a_salt_that_says_nothing_is_none(given: str | None) -> None:
    assert salt_in(sent({"model": "m", "cache_salt": given})) == SALT


def test_nobody_gets_into_another_tenants_scope_by_naming_its_salt() -> None:
    other = SALTS.of("ten_b").decode()
    for body in (
        b'{"model":"m","cache_salt":"%b"}',
        b'{"cache_salt":"%b","model":"m","cache_salt":null}',
        b'{"model":"m","cache_salt":"x","cache_salt":"%b"}',
        rb'{"model":"m","cache\u005fsalt":"%b"}',
        rb'{"\u0063ache_salt":"%b","model":"m","stream":true}',
        rb'{"model":"m","text":"cache_salt","cache\u005fsalt":"%b"}',
    ):
        pairs = json.loads(sent(body % other.encode()), object_pairs_hook=list)
        last = [value for name, value in pairs if name == "cache_salt"][-1]
        assert last != other
        assert last in (SALT.decode(), *(scoped(SALT, json.dumps(text).encode()).decode() for text in ("x", other)))


def test_the_word_in_a_prompt_is_no_salt() -> None:
    made = sent({"model": "m", "messages": [{"role": "user", "content": 'what is "cache_salt"?'}]})
    assert salt_in(made) == SALT


def test_salts_depend_on_tenant_and_secret_and_suit_vllm() -> None:
    """vLLM refuses more than 128 characters, and `@`, `/`, backslash and NUL."""
    names = ["", "ten_a", "ten_b", "ten_a ", "ten_\ud800"]
    found = {CacheSalts(secret).of(name) for secret in (b"one", b"two") for name in names}
    assert len(found) == 2 * len(names)
    assert all(len(salt) == 32 and salt.isalnum() for salt in found)
    assert CacheSalts(b"one").of("ten_a") == CacheSalts(b"one").of("ten_a")


PLATFORM, ANYBODY = "", ("ten_a", "ten_b", "ten_c")
some_routes = st.lists(
    st.builds(
        lambda name, deployment, alias, **rest: route(name, deployment, alias_of=alias, **rest),
        st.sampled_from(["x", "y", "z", "x*"]),
        st.sampled_from(["dep_1", "dep_2", "dep_3"]),
        st.sampled_from(["", "", "x", "y"]),
        tenant_id=st.sampled_from([PLATFORM, "ten_a", "ten_b"]),
        access=st.sampled_from([Access.PRIVATE, Access.TENANT, Access.TENANT, Access.PUBLIC]),
        tenant_ids=st.sampled_from([(), ("ten_a",), ("ten_a", "ten_b")]),
        route_id=st.uuids().map(str),
    ),
    max_size=6,
)


@given(some_routes)
def test_a_deployment_that_two_tenants_reach_counts_as_shared(routes: list[RouteRecord]) -> None:
    known = replace(EMPTY, routes=by_name(routes), is_known=True)
    users: dict[str, set[str]] = {}
    for tenant, name in itertools.product(ANYBODY, ("x", "y", "z", "xx")):
        key = api_key(f"rh-{tenant}", tenant_id=tenant)
        try:
            targets = resolve(known, key, name).targets
        except ApiError:
            continue
        for target in targets:
            users.setdefault(target.deployment_id, set()).add(tenant)
    assert {one for one, tenants in users.items() if len(tenants) > 1} <= known.routes.shared


@pytest.mark.parametrize(
    ("record", "is_shared"),
    [
        (route(), False),
        (route(access=Access.PRIVATE), False),
        (route(access=Access.PUBLIC), True),
        (route(tenant_id=PLATFORM), True),
        (route(tenant_id=PLATFORM, tenant_ids=("ten_a",)), False),
        (route(tenant_id=PLATFORM, tenant_ids=("ten_a", "ten_b")), True),
        (route(is_deleted=True, access=Access.PUBLIC), False),
    ],
)
def test_what_one_tenant_has_to_itself_is_not_shared(record: RouteRecord, is_shared: bool) -> None:
    assert ("dep_1" in by_name([record]).shared) is is_shared


def test_an_alias_opens_what_it_stands_for() -> None:
    opened = route("door", alias_of="tiny", access=Access.PUBLIC)
    assert by_name([route(), opened]).shared == {"dep_1"}


PROMPT = b"a" * 2000


def sticky(access: Access, salts: CacheSalts | None) -> World:
    """A route that goes by prefixes, over three endpoints."""
    world = World(endpoints(3), balancing=Balancing(strategy=Strategy.PREFIX_AFFINITY), access=access)
    world.chooser = Chooser(ChoosingOptions(), lambda: 0.5, salts)
    return world


def test_where_one_tenants_prompt_went_says_nothing_to_another() -> None:
    theirs = api_key("rh-b", tenant_id="ten_b")
    world = sticky(Access.PUBLIC, SALTS)
    first, again = (world.send(prompt=lambda: PROMPT) for _ in range(2))
    assert first.endpoint_id == again.endpoint_id
    other = world.send(prompt=lambda: PROMPT, key=theirs)
    assert other.endpoint_id != first.endpoint_id, "the same prompt of another tenant goes where little is to be done"
    assert not set(other.prefix) & set(first.prefix)
    assert (first.salt, other.salt) == (SALTS.of(world.key.tenant_id), SALTS.of("ten_b"))


@pytest.mark.parametrize(("access", "salts"), [(Access.TENANT, SALTS), (Access.PUBLIC, None)])
def test_no_salt_where_nobody_else_is_or_where_it_is_turned_off(access: Access, salts: CacheSalts | None) -> None:
    candidate = sticky(access, salts).send(prompt=lambda: PROMPT)
    assert candidate.salt == b""


def test_routers_with_one_file_of_keys_have_the_same_salts(tmp_path: Any) -> None:
    path = tmp_path / "keys"
    path.write_text(new_secrets_key(bytes))
    path.chmod(0o600)
    settings = RouterSettings(state_dir=tmp_path)

    def salt(file: Any, byte: bytes = b"\0") -> bytes:
        salts = cache_salts_of(settings, SecretFile(file, setting="X"), lambda count: byte * count)
        assert salts is not None
        return salts.of("ten_a")

    assert salt(path) == salt(path, b"\1")
    assert len({salt(path), salt(None), salt(None, b"\1")}) == 3, "without a file they are the process's own"
    path.chmod(0o644)
    assert salt(path) == salt(None), "a file that others can read is not used"
    turned_off = settings.model_copy(update={"tenant_cache_salts": False})
    assert cache_salts_of(turned_off, SecretFile(path, setting="X"), bytes) is None


def test_a_derived_secret_is_not_the_key() -> None:
    key = new_secrets_key(bytes)
    box = SecretBox([key])
    assert box.derived(b"one") != box.derived(b"two")
    assert box.derived(b"one") == SecretBox([key, new_secrets_key(lambda count: b"\1" * count)]).derived(b"one")
