"""Bodies of `/audit`."""

import csv
import io
import json
from typing import Any, Final, Self

from pydantic import Field

from roundhouse_catalog.api.schemas import Body, View
from roundhouse_catalog.domain.audit_chain import Break, Entry, Head
from roundhouse_common.http import Moment, Timestamp
from roundhouse_common.spreadsheets import not_computed

__all__ = ["EntryView", "HeadView", "SealToMake", "SealedView", "VerifiedView", "csv_head", "csv_line"]

_COLUMNS: Final = (
    "sequence",
    "at",
    "tenant_id",
    "project_id",
    "actor",
    "action",
    "object_kind",
    "object_id",
    "object_name",
    "outcome",
    "reason",
    "client_address",
    "user_agent",
    "request_id",
    "session_id",
    "service",
    "record_id",
    "change",
    "hash",
)
"""With what a cell begins that a spreadsheet would compute."""


class EntryView(View):
    """One entry of the audit."""

    sequence: int = Field(description="Its place in the chain of all tenants, without gaps.")
    record_id: str = Field(examples=["aud_0193a0c5f0d97c3e8a4b5c6d7e8f9012"])
    at: Timestamp
    service: str = Field(description="The service that it went through.")
    actor: str = Field(description="`user:usr_...`, `service-account:...`, `service:scheduler`, or `anonymous`.")
    tenant_id: str = Field(description="Empty: of the platform, or nobody was known.")
    project_id: str
    action: str = Field(examples=["deployment.stop"])
    object_kind: str
    object_id: str
    object_name: str
    change: dict[str, list[Any]] = Field(description="Each member that changed, with its value before and after.")
    outcome: str = Field(description="done, refused or failed.")
    reason: str = Field(description="The error code of a refusal or failure.")
    client_address: str
    user_agent: str
    request_id: str = Field(description="As in the header `x-request-id` and in the logs.")
    session_id: str
    hash: str = Field(description="SHA-256 over its number, the hash before, and its text.")

    @classmethod
    def of(cls, entry: Entry) -> Self:
        record = entry.read()
        return cls(
            sequence=entry.sequence,
            record_id=record.record_id,
            at=record.at,
            service=record.service,
            actor=record.actor,
            tenant_id=record.tenant_id,
            project_id=record.project_id,
            action=record.action,
            object_kind=record.object_kind,
            object_id=record.object_id,
            object_name=record.object_name,
            change=json.loads(record.change) if record.change else {},
            outcome=record.outcome.value,
            reason=record.reason,
            client_address=record.client_address,
            user_agent=record.user_agent,
            request_id=record.request_id,
            session_id=record.session_id,
            hash=entry.hash,
        )


class HeadView(View):
    """Where the chain ends. Keep it elsewhere: a later check against it shows whether entries were cut off."""

    sequence: int = Field(description="0: there is no entry yet.")
    hash: str

    @classmethod
    def of(cls, head: Head) -> Self:
        return cls(sequence=head.sequence, hash=head.hash)


class VerifiedView(View):
    """What a walk over the chain found."""

    is_whole: bool
    checked: int = Field(description="Entries that were looked at.")
    sealed: HeadView = Field(description="Up to where entries were sealed and removed.")
    head: HeadView | None = Field(description="Where the chain ends; null when it is broken.")
    broken_at: int | None = Field(description="The first entry that does not hold.")
    why: str = Field(description="What is wrong with it.")

    @classmethod
    def found(cls, outcome: Head | Break, *, checked: int, sealed: Head) -> Self:
        is_whole = isinstance(outcome, Head)
        return cls(
            is_whole=is_whole,
            checked=checked,
            sealed=HeadView.of(sealed),
            head=HeadView.of(outcome) if isinstance(outcome, Head) else None,
            broken_at=outcome.sequence if isinstance(outcome, Break) else None,
            why=outcome.why if isinstance(outcome, Break) else "",
        )


class SealToMake(Body):
    """Which entries are to go."""

    before: Moment = Field(
        description="Entries older than this are removed; RFC 3339 with an offset. Export them first."
    )


class SealedView(View):
    """What was removed. The chain goes on from the hash of the last entry that was."""

    removed: int
    sealed: HeadView


def csv_head() -> str:
    return ",".join(_COLUMNS) + "\r\n"


def csv_line(view: EntryView) -> str:
    """Return an entry as a line of CSV. A cell that a spreadsheet would compute is quoted with an apostrophe."""
    members = view.model_dump(mode="json") | {"change": ""}
    if view.change:
        members["change"] = json.dumps(view.change, ensure_ascii=False, separators=(",", ":"))
    cells = [str(members[name]) for name in _COLUMNS]
    line = io.StringIO()
    csv.writer(line).writerow([not_computed(cell) for cell in cells])
    return line.getvalue()
