"""Messages that default everything irrelevant, for the tests of the bus."""

from roundhouse_common.contracts.catalog import DeploymentChange, DeploymentChanged
from roundhouse_common.contracts.node import Heartbeat, NodeInventory, NodeReport
from roundhouse_common.contracts.routing import ApiKeyRecord
from roundhouse_common.contracts.scheduler import NodeAssignments
from roundhouse_common.contracts.usage import Operation, Outcome, UsageRecord

__all__ = ["api_key", "assignments", "changed", "heartbeat", "inventory", "report", "usage"]


def api_key(key_id: str = "key_1", name: str = "first") -> ApiKeyRecord:
    return ApiKeyRecord(key_id=key_id, sha256="0" * 64, name=name, tenant_id="ten_1", user_id="usr_1")


def usage(request_id: str = "req_1", sequence: int = 1) -> UsageRecord:
    return UsageRecord(
        request_id=request_id,
        router_id="router-1",
        sequence=sequence,
        operation=Operation.CHAT,
        key_id="key_1",
        user_id="usr_1",
        tenant_id="ten_1",
        model_requested="m",
        model_served="m",
        deployment_id="dep_1",
        replica_id="rep_1",
        node_id="nod_a",
        admitted_at=1.0,
        ended_at=2.0,
        duration_ms=1000.0,
        is_stream=True,
        outcome=Outcome.COMPLETED,
        http_status=200,
    )


def changed(event_id: str = "evt_1") -> DeploymentChanged:
    return DeploymentChanged(
        event_id=event_id,
        at=1.0,
        deployment_id="dep_1",
        generation=1,
        change=DeploymentChange.CREATED,
        actor="user:admin",
    )


def heartbeat(node_id: str = "nod_a", sequence: int = 1) -> Heartbeat:
    return Heartbeat(node_id=node_id, epoch=1, incarnation="i", sequence=sequence, digest="d")


def inventory() -> NodeInventory:
    return NodeInventory(
        hostname="h",
        address="127.0.0.1",
        cpu_cores=2,
        memory_total_bytes=1,
        memory_available_bytes=1,
        os="linux",
        arch="x86_64",
        agent_version="1",
    )


def report(node_id: str = "nod_a", sequence: int = 1) -> NodeReport:
    return NodeReport(
        node_id=node_id,
        epoch=1,
        incarnation="i",
        sequence=sequence,
        assignments_revision=0,
        inventory=inventory(),
        replicas=(),
    )


def assignments(node_id: str = "nod_a", revision: int = 1) -> NodeAssignments:
    return NodeAssignments(node_id=node_id, epoch=1, revision=revision, assignments=())
