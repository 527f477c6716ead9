"""Whose usage a caller may see, and which of it is asked for."""

from typing import Annotated

from fastapi import Depends, Query
from pydantic import AwareDatetime

from roundhouse_common.auth import Subject, allowed
from roundhouse_common.errors import Forbidden
from roundhouse_common.http import requires
from roundhouse_common.http.times import unix_seconds
from roundhouse_metering.domain.usage import UsageFilter

__all__ = ["UsageScope", "scoped", "usage_filter"]

EVERY_TENANT = "all"
_Caller = Annotated[Subject, Depends(requires("usage:own"))]
_Time = Annotated[AwareDatetime | None, Query(description="RFC 3339, with a zone; of the request's admission.")]
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
    """Read the filters. Raises Forbidden for what is not the caller's."""
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
        since=None if since is None else unix_seconds(since),
        until=None if until is None else unix_seconds(until),
    )


def scoped(
    subject: Subject, tenant: str | None, equal: dict[str, str], *, since: float | None, until: float | None
) -> UsageFilter:
    """Return the filter that lets through what is asked for and the caller may see. Raises Forbidden.

    Who may read usage on the platform sees every tenant that they name, others their own; who may not read their
    tenant's, or that of the project they name, sees what their own keys used.
    """
    if tenant is None or tenant == subject.tenant_id:
        tenant_id: str | None = subject.tenant_id
    elif allowed(subject, "usage:read", _NO_TENANT):
        tenant_id = None if tenant == EVERY_TENANT else tenant
    else:
        raise Forbidden(f"{subject.actor} may see the usage of its own tenant only, {subject.tenant_id}.")
    if tenant_id != subject.tenant_id or allowed(subject, "usage:read", subject.tenant_id, equal.get("project_id", "")):
        return UsageFilter(tenant_id=tenant_id, equal=equal, since=since, until=until)
    if equal.get("user_id", subject.id) != subject.id:
        raise Forbidden(f"{subject.actor} may see only what its own keys used.")
    return UsageFilter(tenant_id=tenant_id, equal={**equal, "user_id": subject.id}, since=since, until=until)


_NO_TENANT = ""
"""Only roles on the platform hold there."""
UsageScope = Annotated[UsageFilter, Depends(usage_filter)]
