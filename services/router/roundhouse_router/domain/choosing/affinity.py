"""Affinities: requests that belong together go to one endpoint, as long as that one is not much busier than the rest.

An endpoint takes a request for its affinity while, with that request, it has at most `load_ceiling` times the mean of
all that could take it (consistent hashing with bounded loads). With few requests in flight that would send two of one
conversation apart on idle engines; so a few are always allowed.
"""

import math
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Final

from roundhouse_common.contracts.routing import Balancing
from roundhouse_router.domain.choosing.groups import Member
from roundhouse_router.domain.choosing.prefixes import PrefixTable
from roundhouse_router.domain.choosing.strategies import least_in_flight

__all__ = ["ALWAYS_ALLOWED", "ceiling", "has_room_under", "prefix_affinity", "session_affinity"]

ALWAYS_ALLOWED: Final = 4
"""An endpoint may have so many for its affinity whatever the mean is; fewer if its engine takes fewer at once."""


def ceiling(pool: Sequence[Member], balancing: Balancing) -> int:
    """Return how many requests an endpoint may have at most, the new one counted, by the mean of the pool."""
    total = 1
    for member in pool:
        total += member.standing.in_flight + member.standing.others
    return math.ceil(balancing.load_ceiling * total / len(pool))


def has_room_under(member: Member, most: int) -> bool:
    """Whether the endpoint may take one more for its affinity."""
    standing = member.standing
    after = standing.in_flight + standing.others + 1
    return after <= most or after <= min(ALWAYS_ALLOWED, member.endpoint.concurrency or ALWAYS_ALLOWED)


def prefix_affinity(
    pool: Sequence[Member],
    table: PrefixTable,
    prefixes: Sequence[int],
    balancing: Balancing,
    by_id: Mapping[str, Member],
) -> Member:
    """Return the endpoint that was sent the longest beginning of this prompt; of several the least loaded."""
    most = -1
    for prefix in reversed(prefixes):
        owners = table.owners(prefix)
        if not owners:
            continue
        if most < 0:
            most = ceiling(pool, balancing)
        found = [
            member
            for owner in owners
            if (member := by_id.get(owner)) is not None and member in pool and has_room_under(member, most)
        ]
        if found:
            return found[0] if len(found) == 1 else least_in_flight(found)
    return least_in_flight(pool)


def session_affinity(pool: Sequence[Member], session: bytes, balancing: Balancing) -> Member:
    """Return the endpoint that the session's hash ranks highest (rendezvous hashing) of those with room.

    When an endpoint goes, only its sessions move; when one comes, only those that it takes.
    """
    if not session:
        return least_in_flight(pool)
    most = ceiling(pool, balancing)
    found = [member for member in pool if has_room_under(member, most)]
    if not found:
        return least_in_flight(pool)
    known = blake2b(session, digest_size=16).digest()
    return max(found, key=lambda member: blake2b(known + member.token, digest_size=8).digest())
