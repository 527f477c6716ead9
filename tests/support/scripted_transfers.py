"""Transfers that a test lets end as it likes: the seam that the real ones fill with child processes."""

import asyncio
from pathlib import Path

from roundhouse_common.model_sources import source_key
from roundhouse_node_agent.transfers.errors import TransferFailed
from roundhouse_node_agent.transfers.messages import FetchOrder, Progress
from roundhouse_node_agent.transfers.runner import OnProgress
from roundhouse_node_agent.transfers.store import FileStore, StoredFiles

__all__ = ["ScriptedTransfers"]


class ScriptedTransfers:
    """Give `fetch` to ModelFiles. A transfer runs until `finish` or `fail`, and counts as interrupted when it is."""

    def __init__(self, store: FileStore, directory: Path) -> None:
        self.begun: list[FetchOrder] = []
        self.interrupted: list[str] = []
        self._store = store
        self._directory = directory
        self._running: dict[str, tuple[asyncio.Future[None], OnProgress]] = {}

    def running(self) -> set[str]:
        """Return the uris of the sources that are being fetched."""
        return {order.source.uri for order in self.begun if source_key(order.source) in self._running}

    async def fetch(self, order: FetchOrder, on_progress: OnProgress) -> StoredFiles:
        key = source_key(order.source)
        assert key not in self._running, f"{order.source.uri} is being fetched twice"
        self.begun.append(order)
        self._running[key] = (asyncio.get_running_loop().create_future(), on_progress)
        try:
            await self._running[key][0]
        except asyncio.CancelledError:
            self.interrupted.append(order.source.uri)
            raise
        finally:
            del self._running[key]
        return await asyncio.to_thread(self._publish, order)

    def progress(self, uri: str, stored_bytes: int, total_bytes: int, step: str = "fetching") -> None:
        told = Progress(
            step=step, stored_bytes=stored_bytes, total_bytes=total_bytes, rate_bytes_s=10.0, origin="a test"
        )
        self._of(uri)[1](told)

    def finish(self, uri: str) -> None:
        self._of(uri)[0].set_result(None)

    def fail(self, uri: str, message: str = "the line went dead", *, is_retryable: bool = True) -> None:
        self._of(uri)[0].set_exception(TransferFailed(message, is_retryable))

    def _of(self, uri: str) -> tuple[asyncio.Future[None], OnProgress]:
        key = next(source_key(order.source) for order in reversed(self.begun) if order.source.uri == uri)
        return self._running[key]

    def _publish(self, order: FetchOrder) -> StoredFiles:
        path = self._directory / source_key(order.source)
        path.write_text(f"the weights of {order.source.uri}")
        return self._store.copy_in(order.source, {"model.gguf": path}, "c0ffee")
