"""Keeps the streams and buckets of one service in being: after every connect, and when one is found missing."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from roundhouse_common.bus.api import BusUnavailable
from roundhouse_common.bus.tasks import backoff_s
from roundhouse_common.bus.wire import NoSuchStream, Wire
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.generate.streams import provisioned_by

__all__ = ["Provisioner"]

T = TypeVar("T")

_log = structlog.get_logger("roundhouse.bus")


class Provisioner:
    """Owned by one bus; provisions in the background and never gives up while there is a connection."""

    def __init__(self, wire: Wire, service: Service) -> None:
        self._wire = wire
        self._configs = provisioned_by(service)
        self._names = frozenset(config.name for config in self._configs)
        self._done = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._undo = wire.on_connection(self._connection_changed)

    async def wait(self, wait_s: float) -> bool:
        """Return whether everything was provisioned on the current connection within `wait_s`."""
        try:
            async with asyncio.timeout(wait_s):
                await self._done.wait()
        except TimeoutError:
            return False
        return True

    async def with_stream(self, stream: str, act: Callable[[], Awaitable[T]]) -> T:
        """Act; when the stream is missing and this service provisions it, do that and act once more."""
        try:
            return await act()
        except NoSuchStream:
            if stream not in self._names:
                raise
            _log.warning("bus.stream_missing", stream=stream)
            await self._wire.provision([config for config in self._configs if config.name == stream])
            return await act()

    async def close(self) -> None:
        """Stop provisioning."""
        self._undo()
        await self._cancel()

    def _connection_changed(self, is_up: bool) -> None:
        self._done.clear()
        if self._task is not None:
            self._task.cancel()
        self._task = asyncio.create_task(self._provision(), name="bus-provision") if is_up else None

    async def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _provision(self) -> None:
        failures = 0
        while True:
            try:
                await self._wire.provision(self._configs)
            except BusUnavailable as error:
                failures += 1
                _log.warning("bus.provisioning_failed", error=str(error), failures=failures)
                await asyncio.sleep(backoff_s(failures))
            else:
                self._done.set()
                return
