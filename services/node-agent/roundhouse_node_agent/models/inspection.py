"""Answers what a model's files say: resolves the source, reads the headers in a child process, remembers the answer."""

import asyncio
import os
import sys
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
import structlog

from roundhouse_common.contracts.catalog import ModelSource, SourceKind
from roundhouse_common.contracts.models import ModelInspected
from roundhouse_node_agent.domain.errors import ModelUnavailable
from roundhouse_node_agent.models.resolvers import resolve
from roundhouse_node_agent.models.source import ModelResolver

__all__ = ["ModelInspector"]

_log = structlog.get_logger(__name__)
_REMEMBERED: Final = 64
_AT_ONCE: Final = 2
_MOST_ANSWER_BYTES: Final = 4 * 1024 * 1024
_MOST_ERROR_LINES: Final = 3

_Fingerprint = tuple[tuple[str, int, int], ...]


class ModelInspector:
    """At most two readers run at the same time, each within its time; a changed file is read again."""

    def __init__(
        self, resolvers: Mapping[SourceKind, ModelResolver], *, python: str = sys.executable, timeout_s: float = 6.0
    ) -> None:
        self._resolvers = resolvers
        self._python = python
        self._timeout_s = timeout_s
        self._known: OrderedDict[tuple[str, _Fingerprint], ModelInspected] = OrderedDict()
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def inspect(self, source: ModelSource) -> ModelInspected:
        """Return the facts, or why there are none. Never raises what a file or a source may cause."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._inspect(source)
        except ModelUnavailable as error:
            return ModelInspected(error=error.message)
        except OSError as error:
            return ModelInspected(error=f"{source.uri} cannot be read: {error.strerror or error}")
        except TimeoutError:
            return ModelInspected(error=f"reading the headers of {source.uri} took longer than {self._timeout_s:g} s")

    async def _inspect(self, source: ModelSource) -> ModelInspected:
        path = await asyncio.to_thread(resolve, self._resolvers, source)
        key = (path, await asyncio.to_thread(_fingerprint, Path(path)))
        known = self._known.get(key)
        if known is not None:
            self._known.move_to_end(key)
            return known
        async with self._slots:
            found = await self._read(path)
        self._known[key] = found
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return found

    async def _read(self, path: str) -> ModelInspected:
        """Run the reader to its end; whatever interrupts us ends it."""
        child = await asyncio.create_subprocess_exec(
            self._python,
            "-I",
            "-m",
            "roundhouse_node_agent.models.reading",
            path,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            answer, complaints = await child.communicate()
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        if child.returncode != 0 or len(answer) > _MOST_ANSWER_BYTES:
            lines = complaints.decode("utf-8", "replace").strip().splitlines()[-_MOST_ERROR_LINES:]
            _log.warning("model_reader_failed", path=path, exit_code=child.returncode, lines=lines)
            return ModelInspected(error=f"reading the headers of {path} failed ({child.returncode}): {' '.join(lines)}")
        return msgspec.json.decode(answer, type=ModelInspected)


def _fingerprint(path: Path) -> _Fingerprint:
    """Return names, sizes and times of the files an answer depends on."""
    directory = path if path.is_dir() else path.parent
    files = sorted(directory.iterdir()) if path.is_dir() or "-of-" in path.name else [path]
    return tuple((file.name, found.st_size, found.st_mtime_ns) for file in files[:10_000] if (found := _stat(file)))


def _stat(file: Path) -> os.stat_result | None:
    try:
        return file.stat()
    except OSError:
        return None
