"""Where lines go: into the log of the platform, into those of tenants, or into both."""

import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final, Protocol

from roundhouse_common.contracts.identity import RedactionPattern, RequestLogPolicy, TenantRecord
from roundhouse_common.runtime import UnixTime
from roundhouse_common.service import get_logger
from roundhouse_router.domain.redaction import Redactor, tenant_patterns
from roundhouse_router.request_log.files import LogFiles
from roundhouse_router.request_log.lines import LineMaker
from roundhouse_router.request_log.segments import SegmentFolder
from roundhouse_router.request_log.watch import Level, Watch

__all__ = ["DAY_S", "Book", "PlatformBook", "TenantBook", "folder_of"]

DAY_S: Final = 86_400.0
_REDACTORS: Final = 1000
_log = get_logger(__name__)


Wanted = tuple[Watch, Level]
"""A request, and what a log wanted of it when it began."""


class Book(Protocol):
    """Lines by one rule. `level_of` is for the event loop, the rest for the thread."""

    def level_of(self, tenant_id: str) -> Level:
        """Return how much is wanted of requests of this tenant."""

    def write(self, wanted: "list[Wanted]", now: UnixTime) -> int:
        """Write what was wanted of these, and still is; return how many could not be written."""

    def retire(self, now: UnixTime) -> None:
        """Delete what is too old or too much. Raises OSError."""

    def close(self) -> None:
        """Write no more."""


class PlatformBook:
    """Every request, into one row of files: the operator's own log, by the settings."""

    def __init__(self, files: LogFiles, redactor: Redactor, *, bodies_most: int) -> None:
        self._files = files
        self._lines = LineMaker(redactor, bodies_most=bodies_most)
        self._level = Level.BODIES if bodies_most else Level.METADATA
        self._failing = _Failing()

    def level_of(self, tenant_id: str) -> Level:
        return self._level

    def write(self, wanted: list[Wanted], now: UnixTime) -> int:
        try:
            self._files.append([self._lines.line(watch) for watch, _ in wanted], now)
        except OSError as error:
            self._failing.tell(error)
            return len(wanted)
        self._failing.is_over()
        return 0

    def retire(self, now: UnixTime) -> None:
        self._files.retire(now)

    def close(self) -> None:
        self._files.close()


class TenantBook:
    """The requests of tenants that have chosen so, each into a directory of its own.

    Whatever changes between a request and its line, what is written is the lesser of the two choices.
    """

    def __init__(
        self,
        directory: Path,
        *,
        policies: Callable[[], Mapping[str, RequestLogPolicy]],
        tenants: Callable[[], Mapping[str, TenantRecord]],
        bodies_most: int,
        file_bytes: int,
        most_bytes: int,
        spare_bytes: int,
        leftovers: Callable[[], Iterable[Path]] = tuple,
    ) -> None:
        """`policies` has those that are on. `spare_bytes` stay free on the disk: the spool is there too.

        `leftovers` are directories like this one, of workers that are no more: what is old is deleted there too.
        """
        self._directory = directory
        self._policies = policies
        self._tenants = tenants
        self._bodies_most = bodies_most
        self._file_bytes = min(file_bytes, max(most_bytes // 8, 64 * 1024))
        self._most_bytes = most_bytes
        self._spare_bytes = spare_bytes
        self._leftovers = leftovers
        self._folders: dict[str, SegmentFolder] = {}
        self._failing = _Failing()
        self._dropped: defaultdict[str, int] = defaultdict(int)

    @property
    def directory(self) -> Path:
        return self._directory

    def drop(self, tenant_id: str) -> None:
        """Note that a request is missing. For the event loop; the thread notes its own."""
        if self.level_of(tenant_id):
            self._dropped[tenant_id] += 1

    def dropped(self, tenant_id: str) -> int:
        """Return how many requests of the tenant are missing since the start."""
        return self._dropped.get(tenant_id, 0)

    def level_of(self, tenant_id: str) -> Level:
        policy = self._policies().get(tenant_id)
        if policy is None:
            return Level.OFF
        return Level.BODIES if policy.has_texts and _redactor(policy.patterns) is not None else Level.METADATA

    def write(self, wanted: list[Wanted], now: UnixTime) -> int:
        by_tenant: dict[str, list[Wanted]] = {}
        for watch, level in wanted:
            assert watch.record is not None
            by_tenant.setdefault(watch.record.tenant_id, []).append((watch, level))
        refused = 0
        for tenant_id, some in by_tenant.items():
            try:
                self._append(tenant_id, some)
            except OSError as error:
                self._failing.tell(error)
                refused += len(some)
                self._dropped[tenant_id] += len(some)
            else:
                self._failing.is_over()
        return refused

    def retire(self, now: UnixTime) -> None:
        """Delete by what each tenant has chosen; of a tenant that was deleted everything."""
        for directory in (self._directory, *self._leftovers()):
            for path in directory.glob("*/"):
                self._retire_one(path, now)

    def _retire_one(self, path: Path, now: UnixTime) -> None:
        tenant, is_own = self._tenants().get(path.name), path.parent == self._directory
        if tenant is not None and tenant.is_deleted:
            if is_own:
                self._folders.pop(path.name, None)
            shutil.rmtree(path)
            return
        policy = tenant.request_log if tenant is not None else RequestLogPolicy()
        folder = self._folder(path.name) if is_own else self._new_folder(path)
        folder.retire(now, policy.keep_days * DAY_S)

    def close(self) -> None:
        """Nothing is open between two writes."""

    def _append(self, tenant_id: str, wanted: list[Wanted]) -> None:
        policy = self._policies().get(tenant_id)
        if policy is None:
            return
        redactor = _redactor(policy.patterns)
        maker = LineMaker(redactor or Redactor(), bodies_most=self._bodies_most)
        has_texts = policy.has_texts and redactor is not None
        lines = [
            maker.line(watch, has_texts=has_texts and level is Level.BODIES, logged_at=watch.at)
            for watch, level in wanted
        ]
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = os.statvfs(self._directory)
        if state.f_bavail * state.f_frsize < self._spare_bytes:
            raise OSError(f"less than {self._spare_bytes} bytes are free")
        self._folder(tenant_id).append(lines, UnixTime(wanted[0][0].at))

    def _folder(self, tenant_id: str) -> SegmentFolder:
        folder = self._folders.get(tenant_id)
        if folder is None:
            folder = self._folders[tenant_id] = self._new_folder(folder_of(self._directory, tenant_id))
        return folder

    def _new_folder(self, path: Path) -> SegmentFolder:
        return SegmentFolder(path, file_bytes=self._file_bytes, most_bytes=self._most_bytes)


def folder_of(directory: Path, tenant_id: str) -> Path:
    """Return where a tenant's lines are. Raises OSError for an id that is no name of a directory."""
    if not tenant_id.replace("_", "").replace("-", "").isalnum():
        raise OSError(f"{tenant_id!r} is no id of a tenant")
    return directory / tenant_id


@lru_cache(maxsize=_REDACTORS)
def _redactor(patterns: tuple[RedactionPattern, ...]) -> Redactor | None:
    """Return what redacts with these too; None where one cannot be used: then no text may be written."""
    try:
        return Redactor(tenant_patterns(patterns))
    except ValueError as error:
        _log.error("request_log_patterns_unusable", error=str(error))
        return None


class _Failing:
    """Logs the first of many failures in a row."""

    def __init__(self) -> None:
        self._is_failing = False

    def tell(self, error: OSError) -> None:
        if not self._is_failing:
            self._is_failing = True
            _log.error("request_log_write_failed", error=error.strerror or str(error))

    def is_over(self) -> None:
        self._is_failing = False
