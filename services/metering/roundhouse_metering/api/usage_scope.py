"""Whose usage a caller may see, and which of it is asked for."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Query

from roundhouse_common.auth import Reach, Subject, allowed, reach_of
from roundhouse_common.errors import FieldError, Forbidden, InvalidInput
from roundhouse_common.http import Moment, requires
from roundhouse_common.http.times import unix_seconds
from roundhouse_metering.domain.retention import LATEST_S
from roundhouse_metering.domain.usage import UsageFilter

__all__ = ["ExportScope", "UsageScope", "scoped", "usage_filter"]

EVERY_TENANT = "all"
_Caller = Annotated[Subject, Depends(requires("usage:own", in_projects=True))]
_Exporter = Annotated[Subject, Depends(requires("usage:export", in_projects=True))]
_Time = Annotated[Moment | None, Query(description="RFC 3339, with a zone; of the request's admission.")]
_Name = Annotated[str | None, Query(max_length=512)]


def usage_filter(
    subject: _Caller,
    key_id: _Name = None,
    model: Annotated[str | None, Query(max_length=512, description="The model's name as the client sent it.")] = None,
    served_model: Annotated[str | None, Query(max_length=512, description="The model's own name.")] = None,
    user: _Name = None,
    project: _Name = None,
    tenant: Annotated[
        str | None, Query(max_length=512, description="`all` or a tenant's id, for roles on the platform.")
    ] = None,
    kind: Annotated[str | None, Query(max_length=512, description="E.g. `chat` or `embeddings`.")] = None,
    deployment: Annotated[str | None, Query(max_length=512, description="A deployment's id.")] = None,
    version: _Name = None,
    replica: _Name = None,
    node: _Name = None,
    region: _Name = None,
    device_class: _Name = None,
    provider: _Name = None,
    route: _Name = None,
    api: _Name = None,
    reuse: _Name = None,
    since: _Time = None,
    until: _Time = None,
) -> UsageFilter:
    """Read the filters. Raises Forbidden for what is not the caller's, and InvalidInput for a range that is empty."""
    begin, end = _no_later(since), _no_later(until)
    if begin is not None and end is not None and begin >= end:
        raise InvalidInput("The range is empty.", FieldError("since", "must be earlier than until"))
    given = {
        "key_id": key_id,
        "model_requested": model,
        "model_served": served_model,
        "user_id": user,
        "project_id": project,
        "operation": kind,
        "deployment_id": deployment,
        "version_id": version,
        "replica_id": replica,
        "node_id": node,
        "region": region,
        "device_class": device_class,
        "provider_id": provider,
        "route_id": route,
        "api": api,
        "reuse": reuse,
    }
    return scoped(
        subject,
        tenant,
        {name: value for name, value in given.items() if value is not None},
        since=begin,
        until=end,
    )


def _no_later(moment: datetime | None) -> float | None:
    """Return the seconds, none later than any record can be of: beyond, calendars and zones end."""
    return None if moment is None else min(unix_seconds(moment), LATEST_S)


def scoped(
    subject: Subject, tenant: str | None, equal: dict[str, str], *, since: float | None, until: float | None
) -> UsageFilter:
    """Return the filter that lets through what is asked for and the caller may see. Raises Forbidden.

    Who may read usage on the platform sees every tenant that they name, others their own. Who may not read their
    tenant's sees what their own keys used, and all of the projects whose usage they may read: those that they name, or
    all of them where they hold no role in the tenant.
    """
    if tenant is None or tenant == subject.tenant_id:
        tenant_id: str | None = subject.tenant_id
    elif allowed(subject, "usage:read", _NO_TENANT):
        tenant_id = None if tenant == EVERY_TENANT else tenant
    else:
        raise Forbidden(f"{subject.actor} may see the usage of its own tenant only, {subject.tenant_id}.")
    wanted = UsageFilter(tenant_id=tenant_id, equal=equal, since=since, until=until)
    read, own = reach_of(subject, "usage:read"), reach_of(subject, "usage:own")
    if tenant_id != subject.tenant_id or read.project_ids is None:
        return wanted
    if _is_of_projects(subject, equal, read, own):
        return replace(wanted, project_ids=read.project_ids)
    if equal.get("user_id", subject.id) != subject.id:
        raise Forbidden(f"{subject.actor} may see only what its own keys used.")
    return replace(wanted, equal={**equal, "user_id": subject.id}, project_ids=own.project_ids)


def _is_of_projects(subject: Subject, equal: dict[str, str], read: Reach, own: Reach) -> bool:
    """Say whether everybody's usage in projects is asked for, and not the caller's own."""
    if not read.project_ids:
        return False
    if "project_id" in equal:
        return read.covers(equal["project_id"])
    others = "user_id" in equal and equal["user_id"] != subject.id
    return others or ("user_id" not in equal and own.project_ids is not None)


UsageScope = Annotated[UsageFilter, Depends(usage_filter)]


def exported(subject: _Exporter, wanted: UsageScope) -> UsageFilter:
    """Cut what is asked for to where the caller may take it away, too."""
    reach = reach_of(subject, "usage:export")
    if reach.project_ids is None:
        return wanted
    if wanted.tenant_id != subject.tenant_id:
        raise Forbidden(f"{subject.actor} may export from projects of its own tenant only, {subject.tenant_id}.")
    readable = reach.project_ids if wanted.project_ids is None else reach.project_ids & wanted.project_ids
    return replace(wanted, project_ids=readable)


_NO_TENANT = ""
"""Only roles on the platform hold there."""
ExportScope = Annotated[UsageFilter, Depends(exported)]
"""For endpoints that hand everything out at once: they need `usage:export` beside."""
