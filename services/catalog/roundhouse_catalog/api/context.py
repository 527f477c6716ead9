"""What the endpoints work with. `main.py` puts one `Catalog` into the application."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Request

from roundhouse_catalog.api.logins import Logins
from roundhouse_catalog.domain.deployments import Deployment, Stamp
from roundhouse_catalog.domain.request_logs import LogLevel
from roundhouse_catalog.domain.sources import upload_address
from roundhouse_catalog.domain.uploads import Upload
from roundhouse_catalog.domain.version_states import States
from roundhouse_catalog.store.upload_disk import UploadDisk
from roundhouse_common.auth import Subject, allowed
from roundhouse_common.contracts.catalog import ModelSource
from roundhouse_common.contracts.models import ModelInspected
from roundhouse_common.contracts.request_log import ReadRequestLog, RequestLogPart
from roundhouse_common.contracts.routers import AnswersCleared, RouterRead
from roundhouse_common.database import Database
from roundhouse_common.http import PageRequest, page_request
from roundhouse_common.http.audit import Audit
from roundhouse_common.http.idempotency import Idempotency, IdempotencyKey, idempotency_key
from roundhouse_common.runtime import Clock, Ids
from roundhouse_common.secret_box import SecretFile

__all__ = [
    "Catalog",
    "CatalogHere",
    "IfMatch",
    "Paging",
    "RepeatKey",
    "RequestLogs",
    "Routers",
    "Uploads",
    "may_see_unpublished",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploads:
    """Where uploads are kept, how large they may be, and where nodes read them."""

    disk: UploadDisk
    public_url: Callable[[], str]
    """Of this API as nodes reach it."""
    most_bytes: int
    most_open: int
    headroom_bytes: int
    expiry_s: float
    idle_s: float

    def address_of(self, upload: Upload) -> str:
        """Return where nodes read the upload, with the secret that lets them."""
        return upload_address(self.public_url(), upload.upload_id, upload.read_token)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLogs:
    """What tenants may have logged, and how the lines are read."""

    most: LogLevel
    """The most that a tenant may choose."""
    read: Callable[[ReadRequestLog], Awaitable[list[RequestLogPart]]]
    """Asks the routers. Raises RoutersAway. Never inside a session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Routers:
    """What routers are asked about themselves. Both raise RoutersAway, and are never called inside a session."""

    read: Callable[[str], Awaitable[list[RouterRead]]]
    """For one tenant's answers."""
    clear: Callable[[str], Awaitable[list[AnswersCleared]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """The record and the seams of the service."""

    db: Database
    idempotency: Idempotency
    clock: Clock
    ids: Ids
    secret_bytes: Callable[[int], bytes]
    """Cryptographic randomness for new API keys."""
    wake: Callable[[], None]
    """Hurries the publishers and the outbox; for `WriteSession.after_commit`."""
    rebuild: Callable[[], Awaitable[dict[str, int]]]
    """Writes every bucket again."""
    version_states: Callable[[Deployment], Awaitable[States]]
    """Asks the scheduler which versions are active. Raises SchedulerAway. Never inside a session."""
    uploads: Uploads
    inspect: Callable[[ModelSource], Awaitable[ModelInspected]]
    """Has a node read a model's files. Raises SchedulerAway. Never inside a session."""
    secrets: SecretFile
    """Seals and opens the keys of outside providers."""
    provider_timeout_s: float
    """How long a provider that is checked may take to answer."""
    request_logs: RequestLogs
    routers: Routers
    audit: Audit
    """Enters what was done, in the transaction that does it."""

    logins: Logins
    """Who proves to be whom, and gets tokens for it."""

    def stamp(self, subject: Subject) -> Stamp:
        """Return who changes something now."""
        return Stamp(at=self.clock.now(), actor=subject.actor, event_id=self.ids.new("evt"))


def _catalog(request: Request) -> Catalog:
    catalog: Catalog = request.app.state.catalog
    return catalog


def may_see_unpublished(subject: Subject) -> bool:
    """Only those who may change models see the ones that are not published."""
    return allowed(subject, "models:write", subject.tenant_id)


CatalogHere = Annotated[Catalog, Depends(_catalog)]
Paging = Annotated[PageRequest, Depends(page_request)]
RepeatKey = Annotated[IdempotencyKey | None, Depends(idempotency_key)]
IfMatch = Annotated[str | None, Header(description="The ETag of what you read, or `*`.")]
