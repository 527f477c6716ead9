"""What the workers of one router show together: any of them answers `/metrics` and `/readyz` for all.

Each has a socket in the directory that the parent made for them, mode 700. A worker that is away or silent is left out
of the metrics and shown as `away`: the kernel sends it no connections, so it does not make the others unready.
"""

import asyncio
import socket
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import msgspec

from roundhouse_common.runtime import Clock
from roundhouse_common.service import get_logger
from roundhouse_common.service.ops import ASGIApp
from roundhouse_router.wire.asgi import serve_asgi
from roundhouse_router.wire.exchange import Exchange
from roundhouse_router.wire.server import WireServer
from roundhouse_router.workers.metrics_text import merge

__all__ = ["Peers"]

_ANSWER_S: Final = 2.0
_LABEL: Final = "worker"
_TEXT: Final = b"text/plain; version=0.0.4; charset=utf-8"
_log = get_logger(__name__)
Answer = tuple[int, bytes]


class Peers:
    """A resource: this worker's socket. `over` wraps the operator's endpoints."""

    def __init__(self, directory: Path, worker: int, workers: int, clock: Clock) -> None:
        self._directory = directory
        self._worker = worker
        self._workers = workers
        self._ops: ASGIApp | None = None
        self._server = WireServer(self._answer_peer, clock=clock)

    async def __aenter__(self) -> "Peers":
        path = self._path(self._worker)
        path.unlink(missing_ok=True)  # of one that was killed
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listening.bind(str(path))
        await self._server.start([listening])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._path(self._worker).unlink(missing_ok=True)
        await self._server.stop(0.0)

    def over(self, ops: ASGIApp) -> ASGIApp:
        """Return the endpoints as they answer for all workers."""
        self._ops = ops

        async def answer(scope: Any, receive: Any, send: Any) -> None:  # Any: ASGI's types
            if scope["path"] == "/metrics" and scope["method"] == "GET":
                await _respond(send, 200, _TEXT, await self._metrics())
            elif scope["path"] == "/readyz" and scope["method"] == "GET":
                status, body = await self._readiness()
                await _respond(send, status, b"application/json", body)
            else:
                await ops(scope, receive, send)

        return answer

    async def _metrics(self) -> bytes:
        answers = await self._ask_all("/metrics")
        texts = {str(worker): body.decode() for worker, (status, body) in answers.items() if status == 200}
        return merge(texts, _LABEL).encode()

    async def _readiness(self) -> Answer:
        answers = await self._ask_all("/readyz")
        own = msgspec.json.decode(answers[self._worker][1])
        states = {str(worker): _state(answers.get(worker)) for worker in range(self._workers)}
        is_ready = all(state in ("ok", "away") for state in states.values())
        return 200 if is_ready else 503, msgspec.json.encode({**own, "workers": states})

    async def _ask_all(self, path: str) -> dict[int, Answer]:
        answers = await asyncio.gather(*(self._ask(worker, path) for worker in range(self._workers)))
        return {worker: answer for worker, answer in enumerate(answers) if answer is not None}

    async def _ask(self, worker: int, path: str) -> Answer | None:
        try:
            async with asyncio.timeout(_ANSWER_S):
                reader, writer = await asyncio.open_unix_connection(str(self._path(worker)))
                try:
                    writer.write(b"GET %b HTTP/1.0\r\n\r\n" % path.encode())
                    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
                finally:
                    writer.close()
            return int(head.split(b" ", 2)[1]), body
        except (OSError, TimeoutError, IndexError, ValueError) as error:
            _log.warning("worker_does_not_answer", worker=worker, error=repr(error))
            return None

    async def _answer_peer(self, exchange: Exchange) -> None:
        assert self._ops is not None, "the socket is opened before the listener that brings the endpoints"
        await serve_asgi(self._ops, exchange)

    def _path(self, worker: int) -> Path:
        return self._directory / f"{worker}.sock"


def _state(answer: Answer | None) -> str:
    if answer is None:
        return "away"
    status, body = answer
    if status == 200:
        return "ok"
    checks = msgspec.json.decode(body)["checks"]
    return "; ".join(f"{name}: {state}" for name, state in checks.items() if state != "ok")


async def _respond(send: Any, status: int, content_type: bytes, body: bytes) -> None:  # Any: ASGI's type
    headers = [(b"content-type", content_type), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
