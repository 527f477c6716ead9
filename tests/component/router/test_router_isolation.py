"""Nothing of another tenant comes through the router: a matrix of every endpoint, every kind of route and every key.

`zebra` is the other tenant; its routes, deployments and nodes have the word in their names. A name that a key may not
use is answered, byte for byte, as a name that nobody has.
"""

import asyncio
import dataclasses
import hashlib
import itertools
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from roundhouse_common.contracts.routing import Access, ApiKeyRecord, RouteCache
from roundhouse_router.api.document import openapi_document
from tests.support.eventually import eventually
from tests.support.media import FORM, form, wav
from tests.support.running_router import Fleet, RunningRouter, api_key, endpoint, route
from tests.support.scripted_engine import Engine, Exchange, answers, completion

pytestmark = pytest.mark.contract("E03")

OURS, THEIRS = "ten_default", "ten_zebra"
MESSAGES = [{"role": "user", "content": "hi"}]
INPUT = {"input": "hi"}
SOUND = form(("model", b"NAME"), ("file", wav(100), "a.wav"))
PICTURE = form(("model", b"NAME"), ("prompt", b"hi"), ("image", b"\x89PNG", "a.png"))
BODIES: dict[str, Any] = {  # Any: JSON, or a form
    "/api/chat": {"messages": MESSAGES, "stream": False},
    "/api/embed": INPUT,
    "/api/embeddings": {"prompt": "hi"},
    "/api/generate": {"prompt": "hi", "stream": False},
    "/api/show": {},
    "/v1/audio/speech": {**INPUT, "voice": "a"},
    "/v1/audio/transcriptions": SOUND,
    "/v1/audio/translations": SOUND,
    "/v1/chat/completions": {"messages": MESSAGES},
    "/v1/completions": {"prompt": "hi"},
    "/v1/embeddings": INPUT,
    "/v1/images/edits": PICTURE,
    "/v1/images/generations": {"prompt": "hi"},
    "/v1/images/variations": PICTURE,
    "/v1/messages": {"messages": MESSAGES, "max_tokens": 5},
    "/v1/messages/count_tokens": {"messages": MESSAGES},
    "/v1/rerank": {"query": "a", "documents": ["b"]},
    "/v1/responses": INPUT,
    "/v1/score": {"text_1": "a", "text_2": "b"},
}
ROUTES = {
    f"{owner}-{access.value}": (tenant, access)
    for owner, tenant in (("ours", OURS), ("zebra", THEIRS))
    for access in (Access.PRIVATE, Access.TENANT, Access.PUBLIC)
} | {"zebra-unknown": (THEIRS, Access.UNKNOWN)}


def secret_of(name: str) -> str:
    return f"rh-{name.replace(' ', '-')}"


def a_key(name: str, **changed: Any) -> ApiKeyRecord:  # Any: fields of many types
    key_id = f"key_{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return api_key(secret_of(name), **{"key_id": key_id, "user_id": "usr_other", **changed})


def digest(name: str) -> str:
    return hashlib.sha256(secret_of(name).encode()).hexdigest()


EVERYWHERE = {"ours-tenant", "ours-public", "zebra-public"}
ROTATED = a_key("rotated", previous_sha256=digest("before the rotation"), previous_until=4e9)
PERMITTED: dict[str, tuple[ApiKeyRecord, set[str]]] = {
    "of a colleague": (a_key("of a colleague"), EVERYWHERE),
    "of the owner": (a_key("of the owner", user_id="usr_owner"), {*EVERYWHERE, "ours-private"}),
    "of the project": (a_key("of the project", project_id="prj_owner"), {*EVERYWHERE, "ours-private"}),
    "of another project": (a_key("of another project", project_id="prj_zebra-owner"), EVERYWHERE),
    "for a deployment": (a_key("for a deployment", deployment_ids=("dep_ours-private",)), {"ours-private"}),
    "for their deployment": (a_key("for their deployment", deployment_ids=("dep_zebra-private",)), set()),
    "for their public one": (a_key("for their public one", deployment_ids=("dep_zebra-public",)), {"zebra-public"}),
    "for some models": (a_key("for some models", models=("zebra-*",)), {"zebra-public"}),
    "theirs": (a_key("theirs", tenant_id=THEIRS), {"zebra-tenant", "zebra-public", "ours-public"}),
    "named as their owner": (a_key("named as their owner", user_id="usr_zebra-owner"), EVERYWHERE),
    "rotated": (ROTATED, EVERYWHERE),
    "before the rotation": (ROTATED, EVERYWHERE),
}
REFUSED: dict[str, tuple[ApiKeyRecord, int]] = {
    "revoked": (a_key("revoked", is_revoked=True, user_id="usr_owner"), 401),
    "expired": (a_key("expired", expires_at=1.0), 401),
    "long rotated": (a_key("newer", previous_sha256=digest("long rotated"), previous_until=1.0), 401),
    "blocked": (a_key("blocked", is_blocked=True), 403),
    "from elsewhere": (a_key("from elsewhere", ip_ranges=("192.0.2.0/24",)), 403),
    "not known": (a_key("another, which nobody has told"), 401),
}


async def told(exchange: Exchange) -> None:
    """Answer everything as OpenAI's API would, whichever endpoint it is."""
    vector = [{"index": 0, "embedding": [0.5], "score": 0.5, "relevance_score": 0.5, "text": "a"}]
    body = {**completion(), "data": vector, "results": vector, "text": "a", "duration": 0.1, "count": 1, "tokens": [1]}
    await exchange.whole(200, json.dumps(body).encode())


@dataclasses.dataclass
class Shared:
    """A router that both tenants use, each with an engine of its own."""

    router: RunningRouter
    engines: dict[str, Engine]

    @property
    def asked(self) -> int:
        return sum(len(engine.exchanges) for engine in self.engines.values())

    async def ask(self, key: str, path: str, name: str, **headers: str) -> tuple[int, bytes, Mapping[str, str]]:
        """Ask for a model with a key: the status, the body without what differs each time, the headers."""
        wanted = BODIES.get(path)
        kind = FORM if isinstance(wanted, bytes) else "application/json"
        if isinstance(wanted, bytes):
            body = wanted.replace(b"NAME", name.encode())
        else:
            body = b"" if wanted is None else json.dumps({"model": name, **wanted}).encode()
        credentials = {"authorization": f"Bearer {secret_of(key)}", "content-type": kind, "x-request-id": "same"}
        async with self.router.session.request(
            "GET" if wanted is None else "POST", path, data=body, headers={**credentials, **headers}
        ) as answer:
            return answer.status, await answer.read(), answer.headers


@pytest_asyncio.fixture
async def shared(tmp_path: Path) -> AsyncIterator[Shared]:
    async with Engine(told) as ours, Engine(told) as theirs, Fleet() as fleet, RunningRouter(tmp_path, fleet) as router:
        engines = {OURS: ours, THEIRS: theirs}
        for key, _ in itertools.chain(PERMITTED.values(), REFUSED.values()):
            await fleet.put_key(key)
        for name, (tenant_id, access) in ROUTES.items():
            prefix = "zebra-" if tenant_id == THEIRS else ""
            owned = {"owner_id": f"usr_{prefix}owner", "project_id": f"prj_{prefix}owner"}
            cached = {"cache": RouteCache(ttl_s=60), "is_coalesced": True}
            record = route(name, f"dep_{name}", tenant_id=tenant_id, access=access, **owned, **cached)
            await fleet.put_route(record)
            replica = endpoint(engines[tenant_id].base_url, replica_id=f"rep_{name}", node_id=f"nod_{name}")
            await fleet.put_endpoints(replica, deployment_id=f"dep_{name}", version_id="ver_1")
        await router.ready()
        yield Shared(router, engines)


def names_of(path: str, body: bytes) -> set[str]:
    document = json.loads(body)
    if path == "/v1/models":
        return {one["id"] for one in document["data"]}
    return {one["name"].removesuffix(":latest") for one in document["models"]}


@pytest.mark.parametrize("key", PERMITTED)
async def test_lists_show_what_the_key_may_use_and_nothing_else(shared: Shared, key: str) -> None:
    permitted = PERMITTED[key][1]
    for path in ("/v1/models", "/api/tags", "/api/ps"):
        status, body, _ = await shared.ask(key, path, "")
        assert (status, names_of(path, body)) == (200, permitted), path
        assert THEIRS.encode() not in body, path
        assert b"dep_" not in body, path
        assert b"nod_" not in body, path


@pytest.mark.parametrize("key", PERMITTED)
async def test_a_model_that_is_not_open_to_a_key_is_like_none_at_every_endpoint(shared: Shared, key: str) -> None:
    permitted, wrong = PERMITTED[key][1], {}
    for path, name in itertools.product((*BODIES, "/v1/models/NAME"), ROUTES):
        strange = "zebra-nothing" if name.startswith("zebra") else "ours-nothing"
        before = shared.asked
        status, body, headers = await shared.ask(key, path.replace("NAME", name), name)
        if name in permitted:
            if status in (401, 403) or b"not_found" in body or b"ten_zebra" in body + str(headers).encode():
                wrong[path, name] = (status, body[:200])
            continue
        nobody = await shared.ask(key, path.replace("NAME", strange), strange)
        as_asked = nobody[1].replace(strange.encode(), name.encode())
        if (status, body) != (nobody[0], as_asked) or list(headers) != list(nobody[2]) or status not in (403, 404):
            wrong[path, name] = (status, body[:200])
        if shared.asked != before:
            wrong[path, name] = (status, b"an engine was asked")
    assert wrong == {}


@pytest.mark.parametrize("key", REFUSED)
async def test_a_key_that_is_no_good_is_refused_everywhere_whatever_it_names(shared: Shared, key: str) -> None:
    wanted, told = REFUSED[key][1], set()
    paths = (*BODIES, "/v1/models", "/v1/models/ours-public", "/api/tags", "/api/ps")
    for path, name in itertools.product(paths, ("ours-private", "zebra-private", "zebra-public", "nothing")):
        status, body, _ = await shared.ask(key, path, name)
        assert status == wanted, (path, name, body)
        assert name.encode() not in body or path.endswith(name)
        told.add((path, body))
    assert shared.asked == 0
    assert len(told) == len(paths), "what is refused tells which models there are"


def test_the_matrix_has_every_endpoint() -> None:
    operations = openapi_document()["paths"]
    assert {path for path, one in operations.items() if "post" in one} == BODIES.keys()
    read = {path for path, one in operations.items() if "get" in one}
    assert read == {"/v1/models", "/v1/models/{model}", "/api/tags", "/api/ps", "/api/version"}


async def test_an_answer_is_kept_for_one_tenant_only(shared: Shared) -> None:
    """The route is public and its answers are kept: what one tenant asked, another one cannot find out by asking."""
    states = [
        (await shared.ask(key, "/v1/chat/completions", "zebra-public"))[2]["x-roundhouse-cache"]
        for key in ("theirs", "theirs", "of a colleague", "of the owner")
    ]
    assert states == ["miss", "hit", "miss", "hit"]
    assert len(shared.engines[THEIRS].exchanges) == 2


async def test_a_kept_answer_of_a_private_model_is_for_those_who_may_use_it(shared: Shared) -> None:
    first = await shared.ask("of the owner", "/v1/chat/completions", "ours-private")
    other = await shared.ask("of a colleague", "/v1/chat/completions", "ours-private")
    assert (first[0], other[0]) == (200, 404)
    assert "x-roundhouse-cache" not in other[2]


async def test_equal_requests_in_flight_are_one_per_tenant(shared: Shared) -> None:
    engine, released = shared.engines[THEIRS], asyncio.Event()

    async def held(exchange: Exchange) -> None:
        await released.wait()
        await told(exchange)

    engine.script = held
    keys = ("theirs", "theirs", "of a colleague", "of the owner", "for their public one")
    asking = [asyncio.create_task(shared.ask(key, "/v1/chat/completions", "zebra-public")) for key in keys]
    await eventually(lambda: shared.router.metric("roundhouse_router_in_flight") == len(keys))
    released.set()
    assert [answer[0] for answer in await asyncio.gather(*asking)] == [200] * len(keys)
    assert len(engine.exchanges) == 2


@pytest.mark.parametrize("other", ["theirs", "of the owner", "for their public one"])
async def test_an_idempotency_key_is_the_api_keys_own(shared: Shared, other: str) -> None:
    """Neither another tenant nor a colleague gets the answer, and neither learns that the key was used."""
    engine = shared.engines[THEIRS]
    path, name, one = "/v1/completions", "zebra-public", {"idempotency_key": "one"}
    sent = {"idempotency-key": one["idempotency_key"], "cache-control": "no-store"}
    engine.script = answers(200, completion("for a colleague"))
    first = await shared.ask("of a colleague", path, name, **sent)
    engine.script = answers(200, completion("for another"))
    second, again = await shared.ask(other, path, name, **sent), await shared.ask("of a colleague", path, name, **sent)
    assert b"for another" in second[1]
    assert "idempotent-replayed" not in second[2]
    assert (again[1], again[2]["idempotent-replayed"]) == (first[1], "true")


async def test_kept_responses_and_files_cannot_be_asked_for_by_id(shared: Shared) -> None:
    """The router keeps none under an id that could be guessed; engines' own are out of reach."""
    ids: tuple[str, ...] = (
        "/v1/responses/resp_1",
        "/v1/chat/completions/c",
        "/v1/files/file_1",
        "/v1/batches/b",
        "/v1/conversations/c",
    )
    ids += ("/v1/responses/resp_1/input_items", "/v1/images/i", "/v1/audio/a", "/v1/uploads/u", "/v1//models")
    for path, method in itertools.product(ids, ("GET", "DELETE", "POST")):
        headers = {"authorization": f"Bearer {secret_of('theirs')}"}
        async with shared.router.session.request(method, path, headers=headers) as answer:
            assert answer.status == 404, path
    assert shared.asked == 0


async def test_what_a_public_model_answers_tells_nothing_of_where_it_runs(shared: Shared) -> None:
    """Of its deployment, nodes, engines and their keys, also when the engine fails or is not there."""
    engine = shared.engines[THEIRS]
    private = ("dep_", "rep_", "nod_", THEIRS, "usr_", "engine-secret", str(engine.port), "127.0.0.1")
    failing = answers(500, {"error": {"message": "out of memory"}})
    for script, path in itertools.product((told, failing), BODIES):
        engine.script = script
        _, body, headers = await shared.ask("of a colleague", path, "zebra-public", **{"cache-control": "no-store"})
        said = body.decode() + str(dict(headers))
        assert not [one for one in private if one in said.replace("x-request-id", "")], (path, said)
    engine.stop()
    for path in BODIES:
        status, body, headers = await shared.ask(
            "of a colleague", path, "zebra-public", **{"cache-control": "no-store"}
        )
        said = body.decode() + str(dict(headers))
        assert status in (200, 404, 502, 503), (path, said)
        assert not [one for one in private if one in said], (path, said)


async def test_names_of_models_in_metrics_are_for_who_has_the_token(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("t" * 20)
    path.chmod(0o600)
    async with Engine(told) as engine, Fleet() as fleet, RunningRouter(tmp_path, fleet, metrics_token_file=path) as one:
        await fleet.serve(engine)
        await one.ready()
        async with one.post() as answer:
            assert answer.status == 200
        async with one.session.get("/metrics") as answer:
            assert (answer.status, b"tiny" in await answer.read()) == (401, False)
        async with one.session.get("/metrics", headers={"authorization": "Bearer " + "t" * 20}) as answer:
            assert (answer.status, b"tiny" in await answer.read()) == (200, True)
        async with one.session.get("/readyz") as answer:
            assert answer.status == 200
