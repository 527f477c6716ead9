"""A service that only follows the bus knows whom to let in, and stops at once when it is told."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from roundhouse_catalog.bus.identity import IdentityPublications
from roundhouse_catalog.domain.sessions import SessionRules
from roundhouse_common.auth.following import token_loops
from roundhouse_common.auth.tokens import TokenVerifier, generate_keypair
from roundhouse_common.bus.memory import MemoryBroker, MemoryBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.errors import Unauthenticated
from tests.component.catalog.people import ANN, add_person, bearer, log_in, post
from tests.component.catalog.world import API, World, running
from tests.support.eventually import eventually


@asynccontextmanager
async def scheduler_beside(
    world: World, broker: MemoryBroker
) -> AsyncIterator[tuple[TokenVerifier, IdentityPublications]]:
    """Run the catalog's publishers, and what a scheduler follows, each on a connection of its own."""
    ours = MemoryBus(broker, Service.CATALOG, clock=world.clock)
    theirs = MemoryBus(broker, Service.SCHEDULER, clock=world.clock)
    await ours.connect()
    await theirs.connect()
    publications = IdentityPublications(world.db, ours, world.clock, SessionRules())
    verifier = TokenVerifier(generate_keypair()[1], clock=world.clock)
    try:
        async with running(*publications.loops().values(), *token_loops(theirs, verifier).values()):
            yield verifier, publications
    finally:
        await ours.close()
        await theirs.close()


def is_let_in(verifier: TokenVerifier, token: str) -> bool:
    try:
        verifier.verify(token)
    except Unauthenticated:
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
