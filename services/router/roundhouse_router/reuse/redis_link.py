"""Redis as something that may be away: asked with a short deadline, and left alone for a while after a failure."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from roundhouse_common.runtime import Clock

__all__ = ["RedisLink", "RedisLost", "connect"]

T = TypeVar("T")
_LONGEST_REST_S: Final = 10.0


class RedisLost(Exception):
    """Redis did not do it. What it would have given counts as not there."""


class RedisLink:
    """Calls with a deadline. After a failure nothing is asked for `rest_s`, doubled with each further failure, so that
    requests wait for a Redis that is away only now and then."""

    def __init__(
        self,
        client: "Redis",
        clock: Clock,
        *,
        timeout_s: float,
        rest_s: float,
        failed: Callable[[], None] = lambda: None,
    ) -> None:
        self._client = client
        self._clock = clock
        self._timeout_s = timeout_s
        self._rest_s = rest_s
        self._failed = failed
        self._rests_until = 0.0
        self._failures = 0

    @property
    def is_resting(self) -> bool:
        return self._clock.monotonic() < self._rests_until

    async def call(self, operation: Callable[["Redis"], Awaitable[T]]) -> T:
        """Return what Redis says. Raises RedisLost."""
        if self.is_resting:
            raise RedisLost("it was away a moment ago")
        task = asyncio.current_task()
        assert task is not None
        cancelled = task.cancelling()
        try:
            async with asyncio.timeout(self._timeout_s):
                result = await operation(self._client)
        except (RedisError, OSError, TimeoutError) as error:
            self._failures += 1
            rest_s = min(self._rest_s * 2 ** min(self._failures - 1, 16), _LONGEST_REST_S)
            self._rests_until = self._clock.monotonic() + rest_s
            self._failed()
            raise RedisLost(f"{type(error).__name__}: {error}") from error
        self._failures = 0
        if task.cancelling() > cancelled:  # asyncio.wait_for swallows it before Python 3.12 if both come at once
            raise asyncio.CancelledError
        return result

    async def close(self) -> None:
        await self._client.aclose()


def connect(url: str, *, timeout_s: float, max_connections: int = 64) -> "Redis":
    """Return a client for this address; it connects when it is asked. It tries nothing twice: the link decides.

    Without a timeout of its own for sockets: it would be asyncio.wait_for's, which before Python 3.12 swallows a
    cancellation that comes together with the result.
    """
    return Redis.from_url(
        url,
        socket_timeout=None,
        socket_connect_timeout=timeout_s,
        max_connections=max_connections,
        retry=Retry(NoBackoff(), 0),
    )
