"""What the audit keeps of the scheduler's things: what people ordered, not what machines report."""

from pydantic import BaseModel

from roundhouse_common.contracts.scheduler import NodeAdmission
from roundhouse_scheduler.api.order_views import SelectorView, SourceView
from roundhouse_scheduler.domain.provisioning.orders import OrderedEngine, OrderedFiles
from roundhouse_scheduler.domain.records import Node, NodeDuty
from roundhouse_scheduler.domain.switching import Switch, SwitchState

__all__ = ["AuditedEngine", "AuditedFiles", "AuditedNode", "AuditedSwitch"]


class AuditedNode(BaseModel):
    """What administrators say of a node."""

    id: str
    name: str
    admission: NodeAdmission
    duty: NodeDuty
    duty_reason: str
    labels: dict[str, str]
    region: str
    zone: str
    quarantined_devices: dict[str, str]
    """Device -> why."""
    is_given_up: bool

    @classmethod
    def of(cls, node: Node) -> "AuditedNode":
        return cls(
            id=node.node_id,
            name=node.inventory.hostname,
            admission=node.admission,
            duty=node.duty,
            duty_reason=node.duty_reason,
            labels=node.labels,
            region=node.region,
            zone=node.zone,
            quarantined_devices={one.device_uuid: one.reason for one in node.quarantines},
            is_given_up=node.is_given_up,
        )


class AuditedEngine(BaseModel):
    """An order of an engine."""

    id: str
    name: str
    version: str
    variant: str
    method: str
    path: str
    image: str
    nodes: SelectorView
    attempt: int
    is_removed: bool

    @classmethod
    def of(cls, order: OrderedEngine) -> "AuditedEngine":
        return cls(
            id=order.order_id,
            name=f"{order.engine.value} {order.version}".strip(),
            version=order.version,
            variant=order.variant,
            method=order.method.value,
            path=order.path,
            image=order.image,
            nodes=SelectorView.of(order.nodes),
            attempt=order.attempt,
            is_removed=order.is_removed,
        )


class AuditedFiles(BaseModel):
    """An order of a model's files, without what lets nodes read them."""

    id: str
    name: str
    source: SourceView
    nodes: SelectorView
    attempt: int
    wish: str

    @classmethod
    def of(cls, order: OrderedFiles) -> "AuditedFiles":
        return cls(
            id=order.order_id,
            name=order.name,
            source=SourceView.of(order.source),
            nodes=SelectorView.of(order.nodes),
            attempt=order.attempt,
            wish=order.wish.value,
        )


class AuditedSwitch(BaseModel):
    """A switch as somebody asked for it, or called it off."""

    id: str
    deployment_id: str
    state: SwitchState
    is_cancelling: bool

    @classmethod
    def of(cls, switch: Switch) -> "AuditedSwitch":
        return cls(
            id=switch.switch_id,
            deployment_id=switch.deployment_id,
            state=switch.state,
            is_cancelling=switch.is_cancelling,
        )
