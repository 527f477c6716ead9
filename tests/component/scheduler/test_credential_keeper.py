"""What the servers refuse follows the record, on a real nats-server."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest_asyncio

from roundhouse_common.bus.nats_accounts import NatsAccounts
from roundhouse_common.contracts.scheduler import NodeAdmission
from roundhouse_common.database import Database
from roundhouse_common.nats_auth.jwt import claims_of
from roundhouse_common.runtime import SystemClock
from roundhouse_scheduler.domain.joining import NodeKey
from roundhouse_scheduler.loops.credentials import CredentialKeeper
from roundhouse_scheduler.loops.waking import Waker
from roundhouse_scheduler.store import tables
from roundhouse_scheduler.store.joining import add_key
from roundhouse_scheduler.store.rows import add
from tests.support.nats import NatsServer
from tests.support.scheduler import a_node


@dataclass
class Kept:
    """A keeper, and what it has written."""

    server: NatsServer
    db: Database
    accounts: NatsAccounts = field(init=False)

    def __post_init__(self) -> None:
        root = self.server.root
        self.accounts = NatsAccounts(self.server.url, self.server.authority.publisher, account=root.account)

    def keeper(self) -> CredentialKeeper:
        return CredentialKeeper(self.db, self.accounts, self.server.authority, clock=SystemClock(), waker=Waker())

    async def refused(self) -> set[str]:
        return set(claims_of(await self.accounts.read())["nats"]["revocations"])

    async def has(self, node_id: str, key: str, admission: NodeAdmission) -> None:
        async with self.db.write() as session:
            await add(session, tables.nodes, a_node(node_id, admission=admission))
            await add_key(
                session,
                NodeKey(
                    public_key=key,
                    node_id=node_id,
                    hostname="two",
                    token_id="jtk_1",
                    issued_at=1.0,
                    admission=NodeAdmission.APPROVED,
                ),
            )


@pytest_asyncio.fixture
async def kept(nats_server: NatsServer, scheduler_db: Database) -> AsyncIterator[Kept]:
    yield Kept(nats_server, scheduler_db)


async def test_keys_of_removed_nodes_are_refused_and_others_are_not(kept: Kept) -> None:
    gone, stays = kept.server.make_node("nod_gone"), kept.server.make_node("nod_stays")
    await kept.has("nod_gone", gone, NodeAdmission.REMOVED)
    await kept.has("nod_stays", stays, NodeAdmission.APPROVED)

    await kept.keeper().sync()

    assert await kept.refused() == {gone}


async def test_a_look_that_finds_nothing_new_writes_nothing(kept: Kept) -> None:
    await kept.has("nod_gone", kept.server.make_node("nod_gone"), NodeAdmission.REMOVED)
    await kept.keeper().sync()
    before = await kept.accounts.read()

    await kept.keeper().sync()

    assert await kept.accounts.read() == before


async def test_what_the_servers_refuse_stays_refused_when_the_record_was_lost(kept: Kept) -> None:
    earlier = kept.server.make_node("nod_earlier")
    await kept.accounts.write(kept.server.authority.account_jwt({earlier: 2_000_000_000}, at=1_700_000_001))
    gone = kept.server.make_node("nod_gone")
    await kept.has("nod_gone", gone, NodeAdmission.REMOVED)

    await kept.keeper().sync()

    assert await kept.refused() == {earlier, gone}
