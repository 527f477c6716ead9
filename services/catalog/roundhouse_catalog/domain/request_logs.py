"""What tenants may choose for their request logs, and pages out of what routers have of them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec

from roundhouse_catalog.domain.findings import Findings
from roundhouse_common.contracts.identity import RequestLogPolicy, TenantRecord
from roundhouse_common.contracts.request_log import LoggedRequest, RequestLogPart
from roundhouse_common.redaction_patterns import pattern_fault, patterns_fault

__all__ = ["LogLevel", "LogPage", "capped", "check_level", "check_policy", "level_of", "minted_at", "page_of_parts"]

_MOST_KEEP_DAYS: Final = 3650
_FIELD: Final = "request_log"
_REQUEST_ID: Final = re.compile(r"req_[0-9a-f]{32}")
Key = tuple[float, str]


class LogLevel(StrEnum):
    """How much is logged of each request."""

    OFF = "off"
    METADATA = "metadata"
    """What the usage record has."""
    BODIES = "bodies"
    """Also what was asked and answered, redacted."""


_RANK: Final = {level: rank for rank, level in enumerate(LogLevel)}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPage:
    """Lines of all routers, the newest first."""

    lines: Sequence[LoggedRequest]
    after: Key | None
    """Where the next page goes on; None: there is none."""


def level_of(policy: RequestLogPolicy) -> LogLevel:
    """Return the level that a policy says."""
    if not policy.is_on:
        return LogLevel.OFF
    return LogLevel.BODIES if policy.has_texts else LogLevel.METADATA


def check_level(level: LogLevel, most: LogLevel) -> None:
    """Raise InvalidInput for a level that the platform does not allow."""
    findings = Findings()
    if _RANK[level] > _RANK[most]:
        allowed = ", ".join(one for one in LogLevel if _RANK[one] <= _RANK[most])
        findings.add(f"{_FIELD}.level", f"{level} found; this platform allows {allowed}")
    findings.refuse()


def check_policy(findings: Findings, policy: RequestLogPolicy) -> None:
    """Record what is wrong with a policy."""
    if not 1 <= policy.keep_days <= _MOST_KEEP_DAYS:
        findings.add(f"{_FIELD}.keep_days", f"{policy.keep_days} found; 1 to {_MOST_KEEP_DAYS} is allowed")
    faults = [pattern_fault(one.name, one.expression) for one in policy.patterns]
    for index, fault in enumerate(faults):
        findings.add(f"{_FIELD}.patterns.{index}", fault)
    if not any(faults):
        findings.add(f"{_FIELD}.patterns", patterns_fault((one.name, one.expression) for one in policy.patterns))


def capped(tenant: TenantRecord, most: LogLevel) -> TenantRecord:
    """Return the tenant as routers are to see it: what it chose before the platform allowed less is not in force."""
    policy = tenant.request_log
    if _RANK[level_of(policy)] <= _RANK[most]:
        return tenant
    lesser = msgspec.structs.replace(policy, is_on=most is not LogLevel.OFF, has_texts=False)
    return msgspec.structs.replace(tenant, request_log=lesser)


def minted_at(request_id: str) -> float | None:
    """Return when a request was admitted, as its id says (Unix seconds); None for what is no id of a request."""
    if not _REQUEST_ID.fullmatch(request_id):
        return None
    return int(request_id.removeprefix("req_")[:12], 16) / 1000


def page_of_parts(parts: Iterable[RequestLogPart], *, limit: int) -> LogPage:
    """Put the answers of routers together.

    Behind the point that a router has reached it may have more: what others have beyond it is left to the next page.
    A page may be short, or empty, while there is a next one.
    """
    told = list(parts)
    reached = [(part.reached_at, part.reached_id) for part in told if part.reached_at]
    horizon = max(reached, default=None)
    lines = sorted((line for part in told for line in part.lines), key=_key, reverse=True)
    shown = [line for line in lines if horizon is None or _key(line) >= horizon]
    if len(shown) > limit:
        return LogPage(lines=shown[:limit], after=_key(shown[limit - 1]))
    return LogPage(lines=shown, after=horizon)


def _key(line: LoggedRequest) -> Key:
    return line.at, line.request_id
