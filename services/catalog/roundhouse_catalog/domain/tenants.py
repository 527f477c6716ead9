"""Tenants and their projects. Every function decides; none does."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from roundhouse_catalog.domain import shapes
from roundhouse_catalog.domain.findings import Findings, quoted
from roundhouse_catalog.domain.history import History
from roundhouse_catalog.domain.request_logs import check_policy
from roundhouse_common.contracts.identity import ProjectRecord, Quota, RequestLogPolicy, TenantRecord
from roundhouse_common.runtime import UnixTime

__all__ = [
    "Project",
    "ProjectPatch",
    "QuotaPatch",
    "RequestLogPatch",
    "Tenant",
    "TenantPatch",
    "check_description",
    "check_name",
    "create_project",
    "create_tenant",
    "delete_project",
    "delete_tenant",
    "revise_project",
    "revise_tenant",
    "tenant_record",
    "touched",
]

QuotaPatch = dict[str, int | None]
"""By the names of Quota's fields, those that are stated; None ends a bound."""
RequestLogPatch = dict[str, Any]  # Any: of the types of these fields
"""By the names of RequestLogPolicy's fields, those that are stated."""

NO_QUOTA: Final = Quota()
NO_LOG: Final = RequestLogPolicy()
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._-]{0,61}[A-Za-z0-9])?")
_MOST_BOUND: Final = 2**53
_MOST_DESCRIPTION: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """One organisation."""

    tenant_id: str
    name: str
    is_suspended: bool = False
    quota: Quota = NO_QUOTA
    request_log: RequestLogPolicy = NO_LOG
    deleted_at: UnixTime | None = None
    history: History

    @property
    def is_deleted(self) -> bool:
        return self.deleted_at is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantPatch:
    """What to change; None leaves it as it is."""

    name: str | None = None
    is_suspended: bool | None = None
    quota: QuotaPatch | None = None
    request_log: "RequestLogPatch | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A part of a tenant."""

    project_id: str
    tenant_id: str
    name: str
    description: str = ""
    quota: Quota = NO_QUOTA
    deleted_at: UnixTime | None = None
    history: History


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectPatch:
    """What to change; None leaves it as it is."""

    name: str | None = None
    description: str | None = None
    quota: QuotaPatch | None = None


def create_tenant(
    name: str, quota: QuotaPatch, request_log: RequestLogPatch, *, tenant_id: str, now: UnixTime, actor: str
) -> Tenant:
    """Return the tenant. Raises InvalidInput with every fault."""
    tenant = Tenant(
        tenant_id=tenant_id,
        name=name,
        quota=_quota(Quota(), quota),
        request_log=_request_log(NO_LOG, request_log),
        history=History.begun(now, actor),
    )
    _check_tenant(tenant)
    return tenant


def revise_tenant(tenant: Tenant, patch: TenantPatch, *, now: UnixTime, actor: str) -> Tenant:
    """Return the changed tenant, the same when nothing changes. Raises InvalidInput with every fault."""
    revised = replace(
        tenant,
        name=tenant.name if patch.name is None else patch.name,
        is_suspended=tenant.is_suspended if patch.is_suspended is None else patch.is_suspended,
        quota=tenant.quota if patch.quota is None else _quota(tenant.quota, patch.quota),
        request_log=_request_log(tenant.request_log, patch.request_log or {}),
    )
    _check_tenant(revised)
    return tenant if revised == tenant else replace(revised, history=tenant.history.next(now, actor))


def touched(tenant: Tenant, *, now: UnixTime, actor: str) -> Tenant:
    """Return the tenant in its next generation: something that belongs to its record changed."""
    return replace(tenant, history=tenant.history.next(now, actor))


def delete_tenant(tenant: Tenant, *, now: UnixTime, actor: str) -> Tenant:
    """Return the tombstone. Its name is free again."""
    name = f"{tenant.name} ({tenant.tenant_id})"
    return replace(tenant, name=name, deleted_at=now, history=tenant.history.next(now, actor))


def create_project(
    name: str, description: str, quota: QuotaPatch, *, project_id: str, tenant_id: str, now: UnixTime, actor: str
) -> Project:
    """Return the project. Raises InvalidInput with every fault."""
    project = Project(
        project_id=project_id,
        tenant_id=tenant_id,
        name=name,
        description=description,
        quota=_quota(Quota(), quota),
        history=History.begun(now, actor),
    )
    _check_project(project)
    return project


def revise_project(project: Project, patch: ProjectPatch, *, now: UnixTime, actor: str) -> Project:
    """Return the changed project, the same when nothing changes. Raises InvalidInput with every fault."""
    revised = replace(
        project,
        name=project.name if patch.name is None else patch.name,
        description=project.description if patch.description is None else patch.description,
        quota=project.quota if patch.quota is None else _quota(project.quota, patch.quota),
    )
    _check_project(revised)
    return project if revised == project else replace(revised, history=project.history.next(now, actor))


def delete_project(project: Project, *, now: UnixTime, actor: str) -> Project:
    """Return the tombstone."""
    return replace(project, deleted_at=now, history=project.history.next(now, actor))


def tenant_record(tenant: Tenant, projects: Iterable[Project]) -> TenantRecord:
    """Return the tenant as other services see it, with all of its projects, deleted ones too."""
    return TenantRecord(
        tenant_id=tenant.tenant_id,
        name=tenant.name,
        generation=tenant.history.generation,
        is_suspended=tenant.is_suspended,
        is_deleted=tenant.is_deleted,
        quota=tenant.quota,
        projects=tuple(
            ProjectRecord(
                project_id=one.project_id, name=one.name, quota=one.quota, is_deleted=one.deleted_at is not None
            )
            for one in projects
        ),
        request_log=tenant.request_log,
    )


def check_name(findings: Findings, name: str, what: str) -> None:
    """Record what is wrong with the name of a tenant, project, role or service account."""
    if not _NAME.fullmatch(name):
        findings.add(
            "name",
            f"{quoted(name)} found; {what} has 1 to 63 letters, digits, blanks and . _ -, with a letter or digit at "
            "both ends",
        )


def check_description(findings: Findings, description: str) -> None:
    """Record what is wrong with a text that says what something is for; empty is fine."""
    if description:
        fault = shapes.text_fault(description, most=_MOST_DESCRIPTION, what="a description")
        findings.add("description", fault)


def _check_tenant(tenant: Tenant) -> None:
    findings = Findings()
    check_name(findings, tenant.name, "a tenant's name")
    _check_quota(findings, tenant.quota)
    check_policy(findings, tenant.request_log)
    findings.refuse()


def _check_project(project: Project) -> None:
    findings = Findings()
    check_name(findings, project.name, "a project's name")
    check_description(findings, project.description)
    _check_quota(findings, project.quota)
    findings.refuse()


def _check_quota(findings: Findings, quota: Quota) -> None:
    for field in quota.__struct_fields__:
        most = getattr(quota, field)
        if most is not None and not 0 <= most <= _MOST_BOUND:
            findings.add(f"quota.{field}", f"{most} found; 0 to {_MOST_BOUND} is allowed, and null for no bound")


def _request_log(before: RequestLogPolicy, patch: RequestLogPatch) -> RequestLogPolicy:
    return msgspec.structs.replace(before, **patch)


def _quota(before: Quota, patch: QuotaPatch) -> Quota:
    named = {field: getattr(before, field) for field in before.__struct_fields__}
    return Quota(**{**named, **patch})
