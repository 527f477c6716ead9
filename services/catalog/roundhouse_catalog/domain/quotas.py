"""What tenants and projects may hold at once, against what their deployments and uploads want."""

from collections.abc import Iterable
from dataclasses import dataclass

from roundhouse_catalog.domain.deployments import Deployment
from roundhouse_catalog.domain.directory_errors import QuotaExceeded
from roundhouse_common.contracts.catalog import DeploymentDesired
from roundhouse_common.contracts.identity import Quota

__all__ = ["Holder", "Wanted", "require_replicas", "require_storage", "wanted_by"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What deployments that are to run claim with all of their replicas."""

    replicas: int = 0
    devices: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A tenant or a project with its quota."""

    place: str
    """How messages name it."""
    project_id: str = ""
    """Empty: the tenant."""
    quota: Quota


def wanted_by(deployments: Iterable[Deployment]) -> Wanted:
    """Sum what is to run. Where a deployment scales by itself its stated number counts; the scheduler bounds more."""
    running = [one for one in deployments if one.desired is DeploymentDesired.RUN]
    return Wanted(
        replicas=sum(one.replicas for one in running), devices=sum(one.replicas * _devices(one) for one in running)
    )


def require_replicas(
    holders: Iterable[Holder], others: Iterable[Deployment], before: Deployment | None, after: Deployment
) -> None:
    """Raise QuotaExceeded when a deployment would want more than it did, and more than is left.

    `others` are the deployments of the tenant, without this one.
    """
    rest = list(others)
    was, now = wanted_by([before] if before else []), wanted_by([after])
    for holder in holders:
        used = wanted_by(one for one in rest if holder.project_id in ("", one.project_id))
        for resource in ("devices", "replicas"):
            most: int | None = getattr(holder.quota, resource)
            taken, wanted = getattr(used, resource), getattr(now, resource)
            if most is not None and wanted > getattr(was, resource) and taken + wanted > most:
                raise QuotaExceeded(holder.place, resource, used=taken, wanted=wanted, allowed=most)


def require_storage(holders: Iterable[Holder], stored: dict[str, int], more_bytes: int) -> None:
    """Raise QuotaExceeded when an upload has more bytes than are left. `stored` is by project id, of the tenant."""
    for holder in holders:
        most = holder.quota.storage_bytes
        taken = stored.get(holder.project_id, 0) if holder.project_id else sum(stored.values())
        if most is not None and taken + more_bytes > most:
            raise QuotaExceeded(holder.place, "bytes of storage", used=taken, wanted=more_bytes, allowed=most)


def _devices(deployment: Deployment) -> int:
    """Of one replica."""
    resources = deployment.version.spec.resources
    return resources.device_count * max(1, resources.node_count)
