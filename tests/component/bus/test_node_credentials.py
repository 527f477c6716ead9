"""Credentials of nodes on a real server: each is confined to its node, and one that is taken back is cut off."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from roundhouse_common.bus.api import BusUnavailable
from roundhouse_common.bus.nats_accounts import NatsAccounts
from roundhouse_common.bus.nats_bus import NatsBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.generate.permissions import inbox_prefix
from roundhouse_common.nats_auth.claims import CLAIMS_INBOX, service_claims
from roundhouse_common.nats_auth.credentials import Credentials
from roundhouse_common.nats_auth.jwt import claims_of, encode
from roundhouse_common.nats_auth.keys import public_key
from roundhouse_common.runtime import SystemClock
from tests.support.eventually import eventually
from tests.support.nats import NODE_A, NODE_B, NatsServer


class Watched:
    """The bus of a node's agent, and how often it was told that its credentials are void."""

    def __init__(self, server: NatsServer, node_id: str) -> None:
        self.revoked = 0
        self.bus = NatsBus(
            Service.NODE_AGENT,
            url=server.url,
            seed_file=server.seed_file(Service.NODE_AGENT, node_id),
            clock=SystemClock(),
            node_id=node_id,
            connect_wait_s=1.0,
            on_revoked=self._count,
        )

    def _count(self) -> None:
        self.revoked += 1


@asynccontextmanager
async def agent(server: NatsServer, node_id: str) -> AsyncIterator[Watched]:
    watched = Watched(server, node_id)
    await watched.bus.connect()
    try:
        yield watched
    finally:
        await watched.bus.close()


@pytest.fixture
def accounts(nats_server: NatsServer) -> NatsAccounts:
    return NatsAccounts(nats_server.url, nats_server.authority.publisher, account=nats_server.root.account)


def key_of(server: NatsServer, node_id: str) -> str:
    return public_key(Credentials.parse(server.seed_file(Service.NODE_AGENT, node_id).read_text()).seed)


def now() -> int:
    return int(time.time())


async def test_a_node_that_joins_needs_no_change_of_the_server(nats_server: NatsServer) -> None:
    config = (nats_server.directory / "nats.conf").read_bytes()
    nats_server.make_node("nod_new")

    async with agent(nats_server, "nod_new") as joined:
        assert joined.bus.is_connected
    assert (nats_server.directory / "nats.conf").read_bytes() == config


async def test_a_node_reads_neither_specs_nor_keys_and_writes_nothing_of_another(nats_server: NatsServer) -> None:
    nats_server.make_node("nod_new")
    async with nats_server.client("nod_new", inbox_prefix=inbox_prefix(Service.NODE_AGENT, "nod_new")) as client:
        for subject in (
            f"$KV.reports.{NODE_A}",
            f"rh.hb.v1.node-agent.node.beat.{NODE_A}",
            "$JS.API.DIRECT.GET.KV_specs",
            "$JS.API.DIRECT.GET.KV_keys",
            "$JS.API.DIRECT.GET.KV_keys.$KV.keys.key_1",
            "$SYS.REQ.CLAIMS.UPDATE",
        ):
            assert await client.refused(subject), subject
        for subject in ("rh.hint.v1.catalog.specs.stored.>", "rh.hint.v1.catalog.keys.stored.>", "$SYS.>", ">"):
            assert await client.refused_to_listen(subject), subject
        assert not await client.refused("rh.hb.v1.node-agent.node.beat.nod_new")


async def test_credentials_taken_back_end_the_connection_at_once_and_nobody_elses(
    nats_server: NatsServer, accounts: NatsAccounts
) -> None:
    async with agent(nats_server, NODE_A) as removed, agent(nats_server, NODE_B) as other:
        await accounts.write(nats_server.authority.account_jwt({key_of(nats_server, NODE_A): now()}, at=now()))

        await eventually(lambda: removed.revoked)
        assert not removed.bus.is_connected
        assert other.bus.is_connected
        assert other.revoked == 0
    async with agent(nats_server, NODE_A) as again:
        assert not again.bus.is_connected


async def test_what_was_taken_back_stays_so_when_the_server_restarts(
    nats_server: NatsServer, accounts: NatsAccounts
) -> None:
    await accounts.write(nats_server.authority.account_jwt({key_of(nats_server, NODE_A): now()}, at=now()))
    nats_server.kill()
    nats_server.start()

    assert key_of(nats_server, NODE_A) in claims_of(await accounts.read())["nats"]["revocations"]
    async with agent(nats_server, NODE_A) as removed, agent(nats_server, NODE_B) as other:
        assert not removed.bus.is_connected
        assert other.bus.is_connected


async def test_the_key_that_makes_nodes_makes_nothing_else(nats_server: NatsServer) -> None:
    seed = Credentials.parse(nats_server.seed_file(Service.ROUTER).read_text()).seed
    claims = service_claims(Service.ROUTER, user=public_key(seed))
    claims["nats"]["issuer_account"] = nats_server.root.account
    forged = encode(claims, seed=nats_server.authority.node_seed, issued_at=now())
    path: Path = nats_server.directory / "forged.seed"
    path.write_text(Credentials(seed=seed, jwt=forged).dumps())

    bus = NatsBus(Service.ROUTER, url=nats_server.url, seed_file=path, clock=SystemClock(), connect_wait_s=0.5)
    await bus.connect()
    assert not bus.is_connected
    await bus.close()


async def test_a_jwt_is_worth_nothing_without_its_key(nats_server: NatsServer) -> None:
    jwt = Credentials.parse(nats_server.seed_file(Service.NODE_AGENT, NODE_A).read_text()).jwt
    seed = nats_server.make_seed("thief").read_text()
    (nats_server.directory / "thief.seed").write_text(Credentials(seed=seed, jwt=jwt).dumps())

    async with agent(nats_server, "thief") as thief:
        assert not thief.bus.is_connected


async def test_what_is_no_account_is_not_taken(nats_server: NatsServer, accounts: NatsAccounts) -> None:
    with pytest.raises(BusUnavailable, match="not taken"):
        await accounts.write("no account")


async def test_who_publishes_accounts_may_do_nothing_else(nats_server: NatsServer) -> None:
    path = nats_server.directory / "publisher.seed"
    path.write_text(nats_server.authority.publisher.dumps())
    async with nats_server.client("publisher", inbox_prefix=CLAIMS_INBOX) as client:
        for subject in ("$SYS.REQ.SERVER.PING", "$SYS.REQ.CLAIMS.DELETE", "$SYS.REQ.CLAIMS.LIST", "rh.x"):
            assert await client.refused(subject), subject
        assert await client.refused_to_listen("$SYS.>")
