"""Runs one transfer in a child process, for the agent."""

import asyncio
import os
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
import structlog

from roundhouse_node_agent.transfers.errors import TransferFailed
from roundhouse_node_agent.transfers.messages import Answer, Fetched, FetchOrder, Progress, Refused
from roundhouse_node_agent.transfers.store import FileStore, StoredFiles

__all__ = ["CHILD", "Fetch", "OnProgress", "fetch"]

_log = structlog.get_logger(__name__)

OnProgress = Callable[[Progress], None]

Fetch = Callable[[FetchOrder, OnProgress], Awaitable[StoredFiles]]
"""The seam: who needs files calls this; tests put something else in its place."""

CHILD: Final = (sys.executable, "-I", "-m", "roundhouse_node_agent.transfers.child")

_LEAVE_S: Final = 3.0
_MOST_ERROR_LINES: Final = 5
_MOST_LINE_BYTES: Final = 1024 * 1024
_OWN: Final = "ROUNDHOUSE_"


async def fetch(order: FetchOrder, on_progress: OnProgress, *, command: Sequence[str] = CHILD) -> StoredFiles:
    """Fetch the model into the store and return it; one that is there already is returned at once.

    Raises TransferFailed. Cancelling ends the child; what was fetched so far stays in the store, and the next call
    goes on from there. Two fetches of one key at the same time are safe: the second waits for the first.
    """
    child = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if not name.startswith(_OWN)},
        start_new_session=True,
        limit=_MOST_LINE_BYTES,
    )
    complaints = asyncio.create_task(_last_lines(child), name="transfer-complaints")
    try:
        answer = await _converse(child, order, on_progress)
        await _end(child)  # after its last word it has nothing more to do, whatever its threads think
        lines = await complaints
    finally:
        complaints.cancel()
        await _end(child)
    match answer:
        case Fetched(key=key):
            found = await asyncio.to_thread(FileStore(Path(order.root)).find, key)
            if found is not None:
                return found
            raise TransferFailed("the model's files vanished from the store right after they were fetched", True)
        case Refused(message=message, is_retryable=is_retryable):
            raise TransferFailed(message, is_retryable)
        case _:
            _log.warning("transfer_died", exit_code=child.returncode, lines=lines)
            raise TransferFailed(
                f"the process that fetches files ended ({child.returncode}): {lines[-1] if lines else 'it was killed'}",
                True,
            )


async def _converse(child: asyncio.subprocess.Process, order: FetchOrder, on_progress: OnProgress) -> Answer | None:
    """Give the order and pass progress on; return the last word, None when there was none."""
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        child.stdin.write(msgspec.json.encode(order) + b"\n")
        await child.stdin.drain()
        while line := await child.stdout.readline():
            answer: Answer = msgspec.json.decode(line, type=Answer)
            if not isinstance(answer, Progress):
                return answer
            on_progress(answer)
    except (ConnectionError, msgspec.DecodeError, ValueError):
        return None  # it died in the middle of a line
    return None


async def _last_lines(child: asyncio.subprocess.Process) -> list[str]:
    assert child.stderr is not None
    lines: deque[str] = deque(maxlen=_MOST_ERROR_LINES)
    pending = b""
    while piece := await child.stderr.read(64 * 1024):
        *whole, pending = (pending + piece).split(b"\n")
        lines.extend(line.decode("utf-8", "replace") for line in whole)
        pending = pending[-_MOST_LINE_BYTES:]
    return [*lines, *([pending.decode("utf-8", "replace")] if pending else [])]


async def _end(child: asyncio.subprocess.Process) -> None:
    """Let it leave by closing its input; kill it if it does not."""
    if child.returncode is not None:
        return
    assert child.stdin is not None
    child.stdin.close()
    try:
        async with asyncio.timeout(_LEAVE_S):
            await child.wait()
    except (TimeoutError, asyncio.CancelledError) as why:  # cancelled once more: whoever waits for it has no time left
        child.kill()
        await child.wait()
        if isinstance(why, asyncio.CancelledError):
            raise
