"""Joining by a one-time token, over REST and on both databases."""

import secrets
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
import pytest_asyncio
from sqlalchemy import select

from roundhouse_common.auth import Role, Subject
from roundhouse_common.auth.tokens import TokenSigner, TokenVerifier, generate_keypair
from roundhouse_common.contracts.scheduler import NodeAdmission, RegisterNode
from roundhouse_common.database import Database
from roundhouse_common.http import create_app
from roundhouse_common.nats_auth.authority import Root
from roundhouse_common.nats_auth.jwt import claims_of
from roundhouse_common.nats_auth.keys import KeyKind, new_seed, public_key
from roundhouse_common.runtime import SystemIds, UnixTime
from roundhouse_scheduler.api.attempts import Attempts
from roundhouse_scheduler.api.joining import Joining, joining_routes
from roundhouse_scheduler.domain.errors import NodeRemoved
from roundhouse_scheduler.domain.joining import Approval
from roundhouse_scheduler.domain.records import Node, NodeDuty, NodeState
from roundhouse_scheduler.store import tables
from roundhouse_scheduler.store.nodes import register
from roundhouse_scheduler.store.pages import find_node
from roundhouse_scheduler.store.rows import add, replace
from tests.component.scheduler.running import who
from tests.support.scheduler import a_node, an_inventory

AUTHORITY = Root.new(secrets.token_bytes).node_authority(at=1)


class HandClock:
    def __init__(self) -> None:
        self.time = 1_700_000_000.0

    def now(self) -> UnixTime:
        return UnixTime(self.time)

    def monotonic(self) -> float:
        return self.time


class Platform:
    """The REST API of joining, and the hosts that use it."""

    def __init__(self, db: Database, **changes: Any) -> None:
        self.db = db
        self.clock = HandClock()
        self.woken = 0
        private, public = generate_keypair()
        self._signer = TokenSigner(private, clock=self.clock)
        joining = {
            "db": db,
            "clock": self.clock,
            "ids": SystemIds(),
            "secret_bytes": secrets.token_bytes,
            "authority": AUTHORITY,
            "nats_url": "nats://10.0.0.5:8805",
            "approval": Approval.AUTO,
            "attempts": Attempts(self.clock, per_minute=3),
            "wake": self._wake,
        }
        app = create_app("joining", "0", TokenVerifier(public, clock=self.clock))
        app.include_router(joining_routes(Joining(**{**joining, **changes})))
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://10.0.0.9:8802")

    def _wake(self) -> None:
        self.woken += 1

    async def ask(self, method: str, path: str, body: Any = None, *, subject: Subject | None = None) -> httpx.Response:
        headers = {"authorization": f"Bearer {self._signer.sign(subject or who(), 60)}"}
        return await self.http.request(method, f"/api/v1{path}", json=body, headers=headers)

    async def token(self, **body: Any) -> str:
        made = await self.ask("POST", "/join-tokens", body)
        assert made.status_code == 201, made.text
        return str(made.json()["token"])

    async def join(self, token: str, key: str, **body: Any) -> httpx.Response:
        """Join as a host does: without any other credentials."""
        said = {"token": token, "hostname": "two", "public_key": key, **body}
        return await self.http.post("/api/v1/nodes:join", json=said)

    async def register(self, node_id: str) -> Node:
        request = RegisterNode(node_id=node_id, incarnation="inc_2", inventory=an_inventory(), highest_epoch=0)
        async with self.db.write() as session:
            return await register(session, request, at=self.clock.now())

    async def revoked(self) -> set[str]:
        async with self.db.read() as session:
            rows = await session.execute(select(tables.node_keys).where(tables.node_keys.c.revoked_at.is_not(None)))
            return {row.public_key for row in rows}

    async def change(self, node_id: str, **changes: Any) -> None:
        async with self.db.write() as session:
            node = await find_node(session, node_id)
            await replace(session, tables.nodes, msgspec.structs.replace(node, **changes))


@pytest_asyncio.fixture
async def platform(scheduler_db: Database) -> AsyncIterator[Platform]:
    """Two nodes that were there before: one that lives and one that is late."""
    async with scheduler_db.write() as session:
        await add(session, tables.nodes, a_node("nod_living"))
        await add(session, tables.nodes, a_node("nod_late", state=NodeState.LATE))
    made = Platform(scheduler_db)
    async with made.http:
        yield made


def a_key() -> str:
    return public_key(new_seed(KeyKind.USER, secrets.token_bytes))


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_a_token_gets_credentials_that_name_the_node_and_its_key(platform: Platform) -> None:
    key = a_key()
    joined = await platform.join(await platform.token(), key, node_id="nod_new")

    assert joined.status_code == 200
    answer = joined.json()
    assert (answer["node_id"], answer["admission"]) == ("nod_new", "approved")
    assert answer["nats_urls"] == ["nats://10.0.0.5:8805"]
    claims = claims_of(answer["credentials"])
    assert (claims["sub"], claims["name"], claims["nats"]["issuer_account"]) == (key, "nod_new", AUTHORITY.account)
    assert claims["iss"] == public_key(AUTHORITY.node_seed)


async def test_a_host_that_names_no_id_gets_a_new_one(platform: Platform) -> None:
    ids = {(await platform.join(await platform.token(), a_key())).json()["node_id"] for _ in range(2)}

    assert len(ids) == 2
    assert all(node_id.startswith("nod_") for node_id in ids)


async def test_a_token_is_good_for_one_key_which_may_ask_again(platform: Platform) -> None:
    token, key = await platform.token(), a_key()
    first = await platform.join(token, key)
    again = await platform.join(token, key)

    assert again.json()["node_id"] == first.json()["node_id"]
    assert code(await platform.join(token, a_key())) == (403, "join_token_refused")
    (listed,) = (await platform.ask("GET", "/join-tokens")).json()["items"]
    assert (listed["state"], listed["used_node_id"]) == ("used", first.json()["node_id"])


async def test_a_token_ends_with_its_time_also_for_the_key_that_used_it(platform: Platform) -> None:
    token, unused, key = await platform.token(ttl_s=60), await platform.token(ttl_s=60), a_key()
    await platform.join(token, key)
    platform.clock.time += 60

    for given in (token, unused):
        refused = await platform.join(given, key)
        assert code(refused) == (403, "join_token_refused")
        assert "has expired" in refused.json()["detail"]


async def test_a_revoked_token_lets_nobody_in(platform: Platform) -> None:
    token = await platform.token()
    (listed,) = (await platform.ask("GET", "/join-tokens")).json()["items"]

    for _ in range(2):
        assert (await platform.ask("DELETE", f"/join-tokens/{listed['id']}")).status_code == 204
    refused = await platform.join(token, a_key())
    assert code(refused) == (403, "join_token_refused")
    assert "was revoked" in refused.json()["detail"]


@pytest.mark.parametrize("damage", [lambda token: token[:-1] + ("A" if token[-1] != "A" else "B"), lambda _: "hello"])
async def test_a_wrong_token_is_told_nothing_but_that(platform: Platform, damage: Any) -> None:
    refused = await platform.join(damage(await platform.token()), a_key())

    assert code(refused) == (403, "join_token_refused")
    assert "is not known" in refused.json()["detail"]


async def test_guessing_is_slowed_down_and_a_right_token_counts_as_no_guess(platform: Platform) -> None:
    token = await platform.token()
    for _ in range(5):
        assert (await platform.join(token, KEY)).status_code == 200
    for _ in range(3):
        assert (await platform.join("rhj-1-x", a_key())).status_code == 403

    slowed = await platform.join(token, KEY)
    assert code(slowed) == (429, "too_many_attempts")
    assert int(slowed.headers["retry-after"]) > 0
    platform.clock.time += 61
    assert (await platform.join(token, KEY)).status_code == 200


KEY = a_key()


async def test_the_secret_of_a_token_is_kept_nowhere_and_shown_once(platform: Platform) -> None:
    token = await platform.token()
    secret = token.split("-", 2)[2]

    async with platform.db.read() as session:
        stored = str((await session.execute(select(tables.join_tokens))).all())
    assert secret not in stored
    assert secret not in (await platform.ask("GET", "/join-tokens")).text


async def test_what_the_token_says_of_the_node_is_there_when_it_registers(platform: Platform) -> None:
    token = await platform.token(node_id="nod_new", labels={"disk": "ssd"}, region="eu", zone="a")
    assert (await platform.join(token, a_key())).json()["node_id"] == "nod_new"

    node = await platform.register("nod_new")
    assert (node.labels, node.region, node.zone) == ({"disk": "ssd"}, "eu", "a")
    assert node.admission is NodeAdmission.APPROVED


async def test_a_node_waits_for_approval_where_that_is_asked_for(scheduler_db: Database) -> None:
    platform = Platform(scheduler_db, approval=Approval.MANUAL)
    joined = await platform.join(await platform.token(node_id="nod_new"), a_key())

    assert joined.json()["admission"] == "pending"
    assert not (await platform.register("nod_new")).takes_replicas
    # Whoever got credentials from an administrator by hand is approved thereby.
    assert (await platform.register("nod_by_hand")).takes_replicas


@pytest.mark.parametrize(
    ("node_id", "preset", "outcome"),
    [
        ("nod_living", {}, (409, "node_id_taken")),
        ("nod_living", {"node_id": "nod_living"}, (409, "node_id_taken")),
        ("nod_late", {}, (409, "node_id_taken")),
        ("nod_late", {"node_id": "nod_late"}, (200, None)),
        ("nod_new", {"node_id": "nod_late"}, (422, "invalid_input")),
        ("a.b", {}, (422, "invalid_input")),
    ],
)
async def test_nobody_takes_the_id_of_a_node_unless_an_administrator_gave_a_silent_ones(
    platform: Platform, node_id: str, preset: dict[str, str], outcome: tuple[int, str | None]
) -> None:
    answer = await platform.join(await platform.token(**preset), a_key(), node_id=node_id)

    assert (answer.status_code, answer.json().get("code")) == outcome


async def test_a_refused_id_leaves_the_token_as_it_was(platform: Platform) -> None:
    token = await platform.token()
    assert (await platform.join(token, a_key(), node_id="nod_living")).status_code == 409

    assert (await platform.join(token, a_key(), node_id="nod_new")).status_code == 200


async def test_joining_again_with_another_key_takes_the_earlier_one_back(platform: Platform) -> None:
    first = a_key()
    await platform.join(await platform.token(), first, node_id="nod_new")
    woken = platform.woken
    joined = await platform.join(await platform.token(node_id="nod_new"), a_key())

    assert joined.status_code == 200
    assert await platform.revoked() == {first}
    assert platform.woken > woken
    assert code(await platform.join(await platform.token(node_id="nod_new"), first)) == (409, "node_key_revoked")


async def test_two_hosts_that_join_before_either_registers_get_no_common_id(platform: Platform) -> None:
    await platform.join(await platform.token(), a_key(), node_id="nod_new")

    assert code(await platform.join(await platform.token(), a_key(), node_id="nod_new")) == (409, "node_id_taken")


async def test_a_removed_node_is_refused_until_it_joins_again_and_then_begins_anew(platform: Platform) -> None:
    await platform.join(await platform.token(labels={"disk": "hdd"}), a_key(), node_id="nod_new")
    await platform.register("nod_new")
    await platform.change("nod_new", admission=NodeAdmission.REMOVED, duty=NodeDuty.DRAINING)
    with pytest.raises(NodeRemoved, match="join-token"):
        await platform.register("nod_new")

    await platform.join(await platform.token(labels={"disk": "ssd"}), a_key(), node_id="nod_new")
    node = await platform.register("nod_new")
    assert (node.takes_replicas, node.labels) == (True, {"disk": "ssd"})


@pytest.mark.parametrize("address", ["0.0.0.0", "[::]"])
async def test_an_address_that_means_all_is_told_as_the_one_that_was_asked(
    scheduler_db: Database, address: str
) -> None:
    platform = Platform(scheduler_db, nats_url=f"nats://{address}:8805")

    joined = await platform.join(await platform.token(), a_key())
    assert joined.json()["nats_urls"] == ["nats://10.0.0.9:8805"]


async def test_without_an_authority_joining_says_what_is_missing(scheduler_db: Database) -> None:
    platform = Platform(scheduler_db, authority=None)

    refused = await platform.join(await platform.token(), a_key())
    assert code(refused) == (503, "joining_unavailable")
    assert "NATS_AUTHORITY_FILE" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("POST", "/join-tokens", {}), ("DELETE", "/join-tokens/jtk_1", None)],
)
async def test_only_administrators_make_and_revoke_tokens(
    platform: Platform, method: str, path: str, body: Any
) -> None:
    assert (await platform.ask(method, path, body, subject=who(role=Role.VIEWER))).status_code == 403
    assert (await platform.http.request(method, f"/api/v1{path}", json=body)).status_code == 401


@pytest.mark.parametrize(
    "body", [{"ttl_s": 86_401}, {"ttl_s": 0}, {"node_id": "a.b"}, {"node_id": "*"}, {"labels": {"": "x"}}, {"what": 1}]
)
async def test_a_token_that_makes_no_sense_is_refused(platform: Platform, body: dict[str, Any]) -> None:
    assert (await platform.ask("POST", "/join-tokens", body)).status_code == 422


@pytest.mark.parametrize("key", ["", "U", "hello", KEY[:-1]], ids=["empty", "short", "no key", "cut off"])
async def test_what_is_no_key_of_a_user_is_refused(platform: Platform, key: str) -> None:
    refused = await platform.join(await platform.token(), key)

    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "public_key"


async def test_an_unknown_token_cannot_be_revoked(platform: Platform) -> None:
    assert (await platform.ask("DELETE", "/join-tokens/jtk_9")).status_code == 404
