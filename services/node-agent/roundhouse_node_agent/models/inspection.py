"""Answers what a model's files say: resolves the source, reads the headers in a child process, remembers the answer."""

import asyncio
import os
import sys
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec
import structlog

from roundhouse_common.contracts.catalog import REMOTE_SOURCES, ModelSource, SourceKind
from roundhouse_common.contracts.models import ModelInspected
from roundhouse_common.model_sources import shown_uri, source_key
from roundhouse_node_agent.domain.errors import ModelUnavailable
from roundhouse_node_agent.models.questions import RemoteQuestion
from roundhouse_node_agent.models.resolvers import resolve
from roundhouse_node_agent.models.source import ModelResolver
from roundhouse_node_agent.sources.source import SourceOptions
from roundhouse_node_agent.transfers.manifest import Manifest

__all__ = ["ModelInspector"]

_log = structlog.get_logger(__name__)
_REMEMBERED: Final = 64
_AT_ONCE: Final = 2
_MOST_ANSWER_BYTES: Final = 4 * 1024 * 1024
_MOST_ERROR_LINES: Final = 3

_Fingerprint = tuple[tuple[str, int, int], ...]
_Key = tuple[str, _Fingerprint]
"""A path and what lies there, or a source's key alone."""


class ModelInspector:
    """At most two readers of each sort run at the same time, each within its time; what changed is read again.

    Files in the node's store are read there. Of others a source is asked, each time for its newest commit: the headers
    are read again only when that is another one.
    """

    def __init__(
        self,
        resolvers: Mapping[SourceKind, ModelResolver],
        *,
        find: Callable[[ModelSource], tuple[str, Manifest] | None] = lambda _source: None,
        options: SourceOptions | None = None,
        python: str = sys.executable,
        timeout_s: float = 6.0,
        remote_timeout_s: float = 25.0,
    ) -> None:
        """`find` blocks; it returns where a source's files are whole on this machine, and which they are."""
        self._resolvers = resolvers
        self._find = find
        self._options = options or SourceOptions()
        self._python = python
        self._timeout_s = timeout_s
        self._remote_timeout_s = remote_timeout_s
        self._known: OrderedDict[_Key, ModelInspected] = OrderedDict()
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._remote_slots = asyncio.Semaphore(_AT_ONCE)

    async def inspect(self, source: ModelSource) -> ModelInspected:
        """Return the facts, or why there are none. Never raises what a file or a source may cause."""
        shown = shown_uri(source)
        timeout_s = self._remote_timeout_s if source.kind in REMOTE_SOURCES else self._timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                if source.kind not in REMOTE_SOURCES:
                    return await self._local(await asyncio.to_thread(resolve, self._resolvers, source))
                found = await asyncio.to_thread(self._find, source)
                return await (self._remote(source) if found is None else self._stored(*found))
        except ModelUnavailable as error:
            return ModelInspected(error=error.message)
        except TimeoutError:
            return ModelInspected(error=f"reading the headers of {shown} took longer than {timeout_s:g} s")
        except OSError as error:
            return ModelInspected(error=f"{shown} cannot be read: {error.strerror or error}")

    async def _stored(self, path: str, manifest: Manifest) -> ModelInspected:
        found = await self._local(path)
        return msgspec.structs.replace(found, revision=manifest.revision, file_count=len(manifest.files))

    async def _local(self, path: str) -> ModelInspected:
        key = (path, await asyncio.to_thread(_fingerprint, Path(path)))
        known = self._known.get(key)
        if known is None:
            async with self._slots:
                known = await self._read(path, "roundhouse_node_agent.models.reading", path)
        self._remember(key, known)
        return known

    async def _remote(self, source: ModelSource) -> ModelInspected:
        """Ask the source where it stands; what was read at that commit before is not read again."""
        key = source_key(source)
        known = self._known.get((key, ()))
        if known is not None and source.revision == known.revision:  # a commit: it stays what it is
            return known
        question = RemoteQuestion(
            source=source, options=self._options, known_revision=known.revision if known is not None else ""
        )
        async with self._remote_slots:
            found = await self._read(
                shown_uri(source),
                "roundhouse_node_agent.models.remote_reading",
                asked=msgspec.json.encode(question),
            )
        if known is not None and found.revision == known.revision and found.facts is None and not found.error:
            found = known
        if found.revision and found.facts is not None and not found.facts.gaps:
            self._remember((key, ()), found)
        return found

    def _remember(self, key: _Key, found: ModelInspected) -> None:
        self._known[key] = found
        self._known.move_to_end(key)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    async def _read(self, shown: str, module: str, *arguments: str, asked: bytes = b"") -> ModelInspected:
        """Run the reader to its end; whatever interrupts us ends it."""
        child = await asyncio.create_subprocess_exec(
            self._python,
            "-I",
            "-m",
            module,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            answer, complaints = await child.communicate(asked)
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        if child.returncode != 0 or len(answer) > _MOST_ANSWER_BYTES:
            lines = complaints.decode("utf-8", "replace").strip().splitlines()[-_MOST_ERROR_LINES:]
            if asked:  # an address in them may be a secret
                lines = [line.partition(":")[0] for line in lines[-1:]]
            _log.warning("model_reader_failed", model=shown, exit_code=child.returncode, lines=lines)
            return ModelInspected(
                error=f"reading the headers of {shown} failed ({child.returncode}): {' '.join(lines)}"
            )
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
