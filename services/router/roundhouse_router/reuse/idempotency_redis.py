"""Idempotency keys in Redis, for all routers.

A key's value is `?`, its digest, the request's fingerprint and a token while the request is in flight, and `!`, digest,
fingerprint and answer afterwards. A reservation is a lease that its router renews, so that one
that dies frees the key.
"""

import asyncio
from functools import partial
from typing import Final

from redis.asyncio import Redis

from roundhouse_router.domain.reuse import IdempotentRequest, Kept
from roundhouse_router.reuse.codec import pack, unpack
from roundhouse_router.reuse.idempotency import Found
from roundhouse_router.reuse.redis_link import RedisLink, RedisLost
from roundhouse_router.reuse.writer import RedisWriter, Write

__all__ = ["RedisReservations"]

_PREFIX: Final = b"rh:idempotency:1:"
_IN_FLIGHT: Final = b"?"
_ANSWERED: Final = b"!"
_TAKE: Final = """
local held = redis.call('GET', KEYS[1])
if held then return held end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return false
"""
_SWAP: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '' then redis.call('DEL', KEYS[1])
elseif ARGV[2] == ARGV[1] then redis.call('PEXPIRE', KEYS[1], ARGV[3])
else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1
"""


class RedisReservations:
    """Runs `renew` beside the writer's loop."""

    def __init__(self, link: RedisLink, writer: RedisWriter, *, ttl_s: float, lease_s: float = 30.0) -> None:
        self._link = link
        self._writer = writer
        self._ttl_s = ttl_s
        self._lease_s = lease_s
        self._leases: dict[bytes, bytes] = {}
        """Name in Redis to value, of the requests in flight here."""
        self._settling: dict[bytes, Found] = {}
        """Answers on their way to Redis; this router knows them already."""

    async def take(self, request: IdempotentRequest, token: bytes) -> Found | None:
        """As `Reservations.take`. If only the answer of Redis is lost, the key stays reserved for `lease_s`."""
        name = _PREFIX + request.slot.hex().encode()
        settling = self._settling.get(name)
        if settling is not None:
            return settling
        value = _IN_FLIGHT + request.slot + request.fingerprint + token
        held = await self._link.call(_script(_TAKE, name, value, _ms(self._lease_s)))
        if held is None:
            self._leases[name] = value
            return None
        return _found(request, held)

    def settle(self, request: IdempotentRequest, token: bytes, kept: Kept | None) -> None:
        name = _PREFIX + request.slot.hex().encode()
        value = self._leases.pop(name, None)
        if value is None:
            return
        after = b""
        if kept is not None:
            after = _ANSWERED + request.slot + request.fingerprint + pack(request.slot, kept)
            self._settling[name] = Found(request.fingerprint, kept)
        write = _script(_SWAP, name, value, after, _ms(self._ttl_s))
        self._writer.submit(write, len(after), done=partial(self._forget, name))

    async def renew(self) -> None:
        """Renew the leases of requests in flight, until cancelled."""
        while True:
            await asyncio.sleep(self._lease_s / 3)
            for name, value in self._leases.items():
                self._writer.submit(_script(_SWAP, name, value, value, _ms(self._lease_s)), len(value))

    def _forget(self, name: bytes) -> None:
        self._settling.pop(name, None)


def _found(request: IdempotentRequest, held: object) -> Found:
    """Read a key's value. Raises RedisLost for one that is not this key's, or that cannot be read."""
    value = held if isinstance(held, bytes) else b""
    parts = (value[:1], value[1:33], value[33:65], value[65:])
    kind, slot, fingerprint, rest = parts
    if slot != request.slot or kind not in (_IN_FLIGHT, _ANSWERED):
        raise RedisLost("the answer belongs to another key")
    if kind == _IN_FLIGHT:
        return Found(fingerprint, None)
    kept = unpack(request.slot, rest)
    if kept is None:
        raise RedisLost("the kept answer cannot be read")
    return Found(fingerprint, kept)


def _script(script: str, name: bytes, *arguments: bytes) -> Write:
    """Return the call of a script on one key."""

    async def run(redis: Redis) -> object:
        result: object = await redis.eval(script, 1, name, *arguments)
        return result

    return run


def _ms(seconds: float) -> bytes:
    return b"%d" % max(int(seconds * 1000), 1)
