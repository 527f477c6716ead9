"""A service that only follows the bus knows whom to let in, and stops at once when it is told."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from roundhouse_catalog.bus.identity import IdentityPublications
from roundhouse_catalog.bus.publications import Publications
from roundhouse_catalog.domain.sessions import SessionRules
from roundhouse_common.auth import Role, Subject
from roundhouse_common.auth.following import token_loops
from roundhouse_common.auth.tokens import TokenSigner, TokenVerifier, generate_keypair
from roundhouse_common.bus.memory import MemoryBroker, MemoryBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.errors import Forbidden, Unauthenticated
from tests.component.catalog.directory import as_admin, new_person, new_tenant
from tests.component.catalog.people import ANN, add_person, bearer, log_in, post
from tests.component.catalog.world import API, World, running
from tests.support.eventually import eventually


@asynccontextmanager
async def scheduler_beside(
    world: World, broker: MemoryBroker, *, public_keys: str = ""
) -> AsyncIterator[tuple[TokenVerifier, IdentityPublications]]:
    """Run the catalog's publishers, and what a scheduler follows, each on a connection of its own."""
    ours = MemoryBus(broker, Service.CATALOG, clock=world.clock)
    theirs = MemoryBus(broker, Service.SCHEDULER, clock=world.clock)
    await ours.connect()
    await theirs.connect()
    publications = IdentityPublications(world.db, ours, world.clock, SessionRules())
    verifier = TokenVerifier(public_keys or generate_keypair()[1], clock=world.clock)
    try:
        async with running(*publications.loops().values(), *token_loops(theirs, verifier).values()):
            yield verifier, publications
    finally:
        await ours.close()
        await theirs.close()


def is_let_in(verifier: TokenVerifier, token: str) -> bool:
    try:
        verifier.verify(token)
    except (Forbidden, Unauthenticated):
        return False
    return True


@pytest.mark.contract("E06")
async def test_login_is_known_everywhere_and_its_end_too(sqlite_world: World) -> None:
    world, broker = sqlite_world, MemoryBroker(sqlite_world.clock)
    await add_person(world)
    await world.login_parts.keeper.look()
    async with scheduler_beside(world, broker) as (verifier, publications):
        one, other = (await log_in(world)).json(), (await log_in(world)).json()
        await eventually(lambda: is_let_in(verifier, one["access_token"]))
        assert (await world.http.delete(f"{API}/sessions/current", headers=bearer(one))).status_code == 204
        publications.wake()
        await eventually(lambda: not is_let_in(verifier, one["access_token"]))
        assert is_let_in(verifier, other["access_token"])

        world.clock.seconds += 1
        await post(world, "/sessions:sign-out-everywhere", {}, token=other["access_token"])
        publications.wake()
        await eventually(lambda: not is_let_in(verifier, other["access_token"]))


async def test_last_known_state_counts_while_the_bus_is_away(sqlite_world: World) -> None:
    world, broker = sqlite_world, MemoryBroker(sqlite_world.clock)
    await add_person(world)
    await world.login_parts.keeper.look()
    async with scheduler_beside(world, broker) as (verifier, _):
        ann = (await log_in(world)).json()
        await eventually(lambda: is_let_in(verifier, ann["access_token"]))
    assert verifier.verify(ann["access_token"]).id == ANN
    world.clock.seconds += 306
    assert not is_let_in(verifier, ann["access_token"])


async def test_wiped_buckets_are_written_again(sqlite_world: World) -> None:
    world = sqlite_world
    await add_person(world)
    await world.login_parts.keeper.look()
    async with scheduler_beside(world, MemoryBroker(sqlite_world.clock)) as (_, publications):
        ann = (await log_in(world)).json()
        await world.http.delete(f"{API}/sessions/current", headers=bearer(ann))
        assert await publications.rebuild() == {"signingkeys": 1, "signouts": 1}
        world.clock.seconds += 3700
        await publications.rebuild()  # removes it: the tokens that it was about have expired
        assert await publications.rebuild() == {"signingkeys": 1, "signouts": 0}


@pytest.mark.contract("E06")
async def test_whom_the_directory_shuts_out_is_out_everywhere_before_their_token_expires(sqlite_world: World) -> None:
    world, broker = sqlite_world, MemoryBroker(sqlite_world.clock)
    zebra = await new_tenant(world, "zebra")
    people = {name: await new_person(world, name, zebra, roles=["user"]) for name in ("ann", "bob", "cem")}
    private, public = generate_keypair()
    signer = TokenSigner(private, clock=world.clock)
    tokens = {
        name: signer.sign(Subject(id=person, tenant_id=zebra, roles=frozenset({Role.USER})), 3600)
        for name, person in people.items()
    }
    operator = signer.sign(Subject(id="usr_o", tenant_id=zebra, platform_roles=frozenset({Role.OPERATOR})), 3600)
    world.clock.seconds += 1
    bus = MemoryBus(broker, Service.CATALOG, clock=world.clock)
    await bus.connect()
    async with scheduler_beside(world, broker, public_keys=public) as (verifier, identity):
        tenants = Publications(world.db, bus).tenants

        async def change(path: str, body: dict[str, object] | None, out: list[str]) -> None:
            async with as_admin(world, zebra):
                answer = await (world.patch(path, body) if body is not None else world.delete(path))
            assert answer.status_code < 300, answer.text
            identity.wake()
            tenants.wake()
            await eventually(lambda: [name for name in tokens if not is_let_in(verifier, tokens[name])] == out)

        async with running(tenants.run):
            assert all(is_let_in(verifier, token) for token in tokens.values())
            await change(f"/users/{people['ann']}", {"is_disabled": True}, ["ann"])
            await change(f"/members/{people['bob']}", None, ["ann", "bob"])
            await change(f"/tenants/{zebra}", {"is_suspended": True}, ["ann", "bob", "cem"])
            assert is_let_in(verifier, operator), "the platform's people look after suspended tenants"
            await change(f"/tenants/{zebra}", {"is_suspended": False}, ["ann", "bob"])
    await bus.close()
