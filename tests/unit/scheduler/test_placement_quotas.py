"""Replicas beyond the quota of their tenant or project wait, and say so."""

import msgspec
import pytest

from roundhouse_common.contracts.catalog import DeploymentDesired, Resources
from roundhouse_common.contracts.identity import ProjectRecord, Quota, TenantRecord
from roundhouse_common.contracts.scheduler import Phase, Reason
from tests.support.placement import a_gpu_node
from tests.support.scheduler import GIB, Fleet, a_deployment, a_node, a_version

pytestmark = pytest.mark.contract("E03")


def a_tenant(quota: Quota, **projects: Quota) -> TenantRecord:
    parts = tuple(ProjectRecord(project_id=f"prj_{name}", name=name, quota=one) for name, one in projects.items())
    return TenantRecord(tenant_id="ten_default", name="default", generation=1, quota=quota, projects=parts)


def a_bounded_fleet(tenant: TenantRecord) -> Fleet:
    return Fleet(tenants={"ten_default": tenant}).with_nodes(a_node())


def waiting(fleet: Fleet) -> list[str]:
    rows = [row for row in fleet.live() if row.phase is Phase.PENDING]
    assert {row.reason for row in rows} <= {Reason.QUOTA}
    return [row.detail for row in rows]


def test_replicas_beyond_the_tenants_quota_wait_with_figures() -> None:
    fleet = a_bounded_fleet(a_tenant(Quota(replicas=2))).with_deployment(a_deployment(replicas=3)).settle()
    assert waiting(fleet) == ['quota: the tenant "default" may hold 2 replicas; 2 are taken, and this one needs 1']
    assert sorted(fleet.phases()) == sorted([Phase.READY, Phase.READY, Phase.PENDING])


def test_a_project_bounds_its_own_deployments_only() -> None:
    fleet = a_bounded_fleet(a_tenant(Quota(replicas=4), small=Quota(replicas=1)))
    fleet.with_deployment(a_deployment("dep_1", replicas=2, project_id="prj_small"))
    fleet.with_deployment(a_deployment("dep_2", replicas=2)).settle()
    assert waiting(fleet) == ['quota: the project "small" may hold 1 replicas; 1 are taken, and this one needs 1']


def test_what_is_given_back_or_allowed_is_used() -> None:
    fleet = a_bounded_fleet(a_tenant(Quota(replicas=1)))
    fleet.with_deployment(a_deployment("dep_1")).with_deployment(a_deployment("dep_2")).settle()
    assert len(waiting(fleet)) == 1
    fleet.tenants["ten_default"] = a_tenant(Quota(replicas=2))
    fleet.settle()
    assert waiting(fleet) == []


def test_a_smaller_quota_ends_nothing_that_runs() -> None:
    fleet = a_bounded_fleet(a_tenant(Quota(replicas=2))).with_deployment(a_deployment(replicas=2)).settle()
    fleet.tenants["ten_default"] = a_tenant(Quota(replicas=0))
    fleet.settle()
    assert fleet.phases() == [Phase.READY, Phase.READY]


def test_other_tenants_and_storage_bound_nobody_here() -> None:
    others = msgspec.structs.replace(a_tenant(Quota(replicas=0)), tenant_id="ten_2")
    fleet = Fleet(tenants={"ten_2": others, "ten_default": a_tenant(Quota(storage_bytes=0))}).with_nodes(a_node())
    fleet.with_deployment(a_deployment(replicas=2)).settle()
    assert fleet.phases() == [Phase.READY, Phase.READY]
    assert fleet.deployments["dep_1"].desired is DeploymentDesired.RUN


def test_devices_count_for_each_replica_that_claims_them() -> None:
    version = a_version(resources=Resources(memory_bytes=GIB, device_count=2))
    fleet = Fleet(tenants={"ten_default": a_tenant(Quota(devices=3))}, versions={"ver_1": version})
    fleet.with_nodes(a_gpu_node("nod_1", count=8)).with_deployment(a_deployment(version=version, replicas=2)).settle()
    assert waiting(fleet) == ['quota: the tenant "default" may hold 3 devices; 2 are taken, and this one needs 2']


def test_the_members_of_a_gang_count_as_one_replica_with_all_their_devices() -> None:
    resources = Resources(memory_bytes=GIB, device_count=2, node_count=2)
    version = a_version(resources=resources)
    for most, phase in ((Quota(devices=4, replicas=1), Phase.ASSIGNED), (Quota(devices=3), Phase.PENDING)):
        fleet = Fleet(tenants={"ten_default": a_tenant(most)}, versions={"ver_1": version})
        fleet.with_nodes(*(a_gpu_node(f"nod_{number}", count=2) for number in (1, 2)))
        fleet.with_deployment(a_deployment(version=version)).step()
        assert set(fleet.phases()) == {phase}
