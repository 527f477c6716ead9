"""Bodies of `/tenants` and `/projects`."""

from typing import Literal, Self

from pydantic import Field

from roundhouse_catalog.api.schemas import Body, View
from roundhouse_catalog.domain.request_logs import LogLevel, level_of
from roundhouse_catalog.domain.tenants import (
    Project,
    ProjectPatch,
    QuotaPatch,
    RequestLogPatch,
    Tenant,
    TenantPatch,
)
from roundhouse_common.contracts.identity import Quota, RedactionPattern, RequestLogPolicy
from roundhouse_common.http import Timestamp

__all__ = [
    "ProjectChanges",
    "ProjectToCreate",
    "ProjectView",
    "QuotaView",
    "TenantChanges",
    "TenantToCreate",
    "TenantView",
]


class QuotaBody(Body):
    """The most that may be held at once; null: no bound, 0: nothing."""

    devices: int | None = Field(default=None, description="Accelerators that replicas claim.")
    replicas: int | None = None
    storage_bytes: int | None = Field(default=None, description="Of uploads.")

    def patch(self) -> QuotaPatch:
        return {name: getattr(self, name) for name in self.model_fields_set}


class QuotaView(View):
    """The most that may be held at once; null: no bound."""

    devices: int | None
    replicas: int | None
    storage_bytes: int | None

    @classmethod
    def of(cls, quota: Quota) -> Self:
        return cls(devices=quota.devices, replicas=quota.replicas, storage_bytes=quota.storage_bytes)


class RedactionPatternBody(Body):
    """Something that is taken out, beside keys, e-mail addresses, phone and card numbers."""

    name: str = Field(description="Stands for it, as `[redacted:NAME]`.", examples=["staff_number"])
    expression: str = Field(
        description="A regular expression of Python whose repetitions have bounds: `{1,64}`, and not `+` or `*`.",
        examples=["E-\\d{6}"],
    )


class RequestLogBody(Body):
    """Whether routers keep what clients ask and are told; what is absent stays as it is."""

    level: Literal["off", "metadata", "bodies"] | None = Field(
        default=None,
        description="`metadata`: what the usage record has; `bodies`: also what was asked and answered, redacted.",
    )
    keep_days: int | None = Field(default=None, description="Lines are deleted then, or up to a day later.")
    patterns: list[RedactionPatternBody] | None = Field(default=None, description="Replaced as a whole.")

    def patch(self) -> RequestLogPatch:
        stated: RequestLogPatch = {}
        if self.level is not None:
            stated |= {"is_on": self.level != "off", "has_texts": self.level == "bodies"}
        if self.keep_days is not None:
            stated["keep_days"] = self.keep_days
        if self.patterns is not None:
            stated["patterns"] = tuple(
                RedactionPattern(name=one.name, expression=one.expression) for one in self.patterns
            )
        return stated


class RedactionPatternView(View):
    """Something that is taken out."""

    name: str
    expression: str


class RequestLogView(View):
    """Whether routers keep what clients ask and are told."""

    level: LogLevel
    keep_days: int
    patterns: list[RedactionPatternView]

    @classmethod
    def of(cls, policy: RequestLogPolicy) -> Self:
        patterns = [RedactionPatternView(name=one.name, expression=one.expression) for one in policy.patterns]
        return cls(level=level_of(policy), keep_days=policy.keep_days, patterns=patterns)


class TenantToCreate(Body):
    """A new organisation."""

    name: str = Field(examples=["Research"])
    quota: QuotaBody = QuotaBody()
    request_log: RequestLogBody = RequestLogBody()
    administrators: list[str] = Field(default=[], description="User ids that are its first administrators.")


class TenantChanges(Body):
    """What to change; what is absent stays as it is. Only `request_log` can be changed without `tenants:write`."""

    name: str | None = None
    is_suspended: bool | None = Field(
        default=None, description="Suspended: its API keys are refused and nobody logs in; what runs goes on running."
    )
    quota: QuotaBody | None = Field(default=None, description="Bounds that are absent stay; null ends one.")
    request_log: RequestLogBody | None = None

    def patch(self) -> TenantPatch:
        return TenantPatch(
            name=self.name,
            is_suspended=self.is_suspended,
            quota=None if self.quota is None else self.quota.patch(),
            request_log=None if self.request_log is None else self.request_log.patch(),
        )


class TenantView(View):
    """An organisation."""

    id: str = Field(examples=["ten_default"])
    name: str
    is_suspended: bool
    quota: QuotaView
    request_log: RequestLogView
    generation: int
    created_at: Timestamp
    created_by: str
    updated_at: Timestamp
    updated_by: str

    @classmethod
    def of(cls, tenant: Tenant) -> Self:
        history = tenant.history
        return cls(
            id=tenant.tenant_id,
            name=tenant.name,
            is_suspended=tenant.is_suspended,
            quota=QuotaView.of(tenant.quota),
            request_log=RequestLogView.of(tenant.request_log),
            generation=history.generation,
            created_at=history.created_at,
            created_by=history.created_by,
            updated_at=history.updated_at,
            updated_by=history.updated_by,
        )


class ProjectToCreate(Body):
    """A part of the tenant: deployments, keys and money of one purpose."""

    name: str = Field(examples=["search"])
    description: str = ""
    quota: QuotaBody = QuotaBody()


class ProjectChanges(Body):
    """What to change; what is absent stays as it is."""

    name: str | None = None
    description: str | None = None
    quota: QuotaBody | None = Field(default=None, description="Bounds that are absent stay; null ends one.")

    def patch(self) -> ProjectPatch:
        return ProjectPatch(
            name=self.name,
            description=self.description,
            quota=None if self.quota is None else self.quota.patch(),
        )


class ProjectView(View):
    """A part of a tenant."""

    id: str = Field(examples=["prj_0193a0c5f0d97c3e8a4b5c6d7e8f9012"])
    name: str
    description: str
    tenant_id: str
    quota: QuotaView
    generation: int
    created_at: Timestamp
    created_by: str
    updated_at: Timestamp
    updated_by: str

    @classmethod
    def of(cls, project: Project) -> Self:
        history = project.history
        return cls(
            id=project.project_id,
            name=project.name,
            description=project.description,
            tenant_id=project.tenant_id,
            quota=QuotaView.of(project.quota),
            generation=history.generation,
            created_at=history.created_at,
            created_by=history.created_by,
            updated_at=history.updated_at,
            updated_by=history.updated_by,
        )
