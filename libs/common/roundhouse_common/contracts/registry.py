"""The registry: every contract of Roundhouse, in one list.

To add a message: write its struct in the module of its owner, add a Contract here (a question: in questions.py),
run `scripts/contracts`, commit the changed golden files (docs/how-to/add-a-message.md).
"""

from roundhouse_common.contracts import (
    catalog,
    demand,
    finance,
    identity,
    money,
    node,
    operations,
    provisioning,
    routing,
    scheduler,
    usage,
)
from roundhouse_common.contracts.base import Bucket, Contract, Event, Service, Signal, Stream
from roundhouse_common.contracts.questions import (
    CLEAN_STORE,
    CLEAR_ANSWERS,
    INSPECT_MODEL,
    QUESTIONS,
    READ_ASSIGNMENTS,
    READ_LOG,
    READ_MODEL_FACTS,
    READ_REQUEST_LOG,
    READ_ROUTER,
    READ_VERSION_STATES,
    REGISTER_NODE,
    RENDER_COMMAND,
    REPUBLISH_USAGE,
)

__all__ = [
    "ASSIGNMENTS",
    "AUDIT",
    "BUDGETS",
    "BUDGET_REACHED",
    "CLEAN_STORE",
    "CLEAR_ANSWERS",
    "CONTRACTS",
    "COST_CORRECTED",
    "DEAD_LETTERS",
    "DEMAND",
    "DEPLOYMENT_CHANGED",
    "DEPLOYMENT_WANTED",
    "ENDPOINTS",
    "FINANCE_STREAM",
    "HEARTBEAT",
    "INSPECT_MODEL",
    "KEYS",
    "LIMITS",
    "LOG_LINE",
    "NODE_SAMPLE",
    "ORDERS",
    "PRICES",
    "PROVIDERS",
    "READ_ASSIGNMENTS",
    "READ_LOG",
    "READ_MODEL_FACTS",
    "READ_REQUEST_LOG",
    "READ_ROUTER",
    "READ_VERSION_STATES",
    "REGISTER_NODE",
    "RENDER_COMMAND",
    "REPLICA_TRANSITION",
    "REPORTS",
    "REPUBLISH_USAGE",
    "ROUTER_STATE",
    "ROUTES",
    "SIGNING_KEYS",
    "SIGN_OUTS",
    "SPECS",
    "STORES",
    "STREAMS",
    "TENANTS",
    "TRANSFER_PROGRESS",
    "USAGE",
    "USAGE_BATCH",
    "USAGE_RECORDED",
    "VERSION_FAILED",
]

_DAY_S = 86_400
_MIB = 1024 * 1024
_S = Service

USAGE_STREAM = Stream(name="USAGE", max_age_s=30 * _DAY_S, max_bytes=4096 * _MIB, provisioners=(_S.METERING, _S.ROUTER))
EVENTS_STREAM = Stream(
    name="EVENTS", max_age_s=30 * _DAY_S, max_bytes=1024 * _MIB, provisioners=(_S.CATALOG, _S.SCHEDULER)
)
DLQ_STREAM = Stream(
    name="DLQ", max_age_s=90 * _DAY_S, max_bytes=512 * _MIB, provisioners=(_S.CATALOG, _S.SCHEDULER, _S.METERING)
)
AUDIT_STREAM = Stream(
    name="AUDIT", max_age_s=90 * _DAY_S, max_bytes=1024 * _MIB, provisioners=(_S.CATALOG, _S.SCHEDULER, _S.METERING)
)

FINANCE_STREAM = Stream(
    name="FINANCE", max_age_s=30 * _DAY_S, max_bytes=1024 * _MIB, provisioners=(_S.METERING,), has_outside_readers=True
)

SPECS = Bucket(
    subject="specs",
    owner=_S.CATALOG,
    readers=(_S.SCHEDULER,),
    message=catalog.DeploymentSpec,
    doc="What should run. Key: deployment id.",
)
KEYS = Bucket(
    subject="keys",
    owner=_S.CATALOG,
    readers=(_S.ROUTER,),
    message=routing.ApiKeyRecord,
    doc="API keys as digests. Key: key id.",
)
ROUTES = Bucket(
    subject="routes",
    owner=_S.CATALOG,
    readers=(_S.ROUTER,),
    message=routing.RouteRecord,
    doc="Names that clients use. Key: route id.",
)
PROVIDERS = Bucket(
    subject="providers",
    owner=_S.CATALOG,
    readers=(_S.ROUTER,),
    message=routing.ProviderRecord,
    doc="Outside APIs, their keys sealed. Key: provider id.",
)
LIMITS = Bucket(
    subject="limits",
    owner=_S.CATALOG,
    readers=(_S.ROUTER,),
    message=routing.LimitRecord,
    doc="What requests may use. Key: limit id.",
)
TENANTS = Bucket(
    subject="tenants",
    owner=_S.CATALOG,
    readers=(_S.ROUTER, _S.SCHEDULER, _S.METERING),
    message=identity.TenantRecord,
    doc="Organisations, their projects and quotas. Key: tenant id.",
)
SIGN_OUTS = Bucket(
    subject="signouts",
    owner=_S.CATALOG,
    readers=(_S.SCHEDULER, _S.METERING),
    message=identity.SignOut,
    doc="Access tokens that are void before they expire. Key: user id.",
)
SIGNING_KEYS = Bucket(
    subject="signingkeys",
    owner=_S.CATALOG,
    readers=(_S.SCHEDULER, _S.METERING),
    message=identity.SigningKeys,
    doc="Public keys of access tokens. Key: `current`.",
)
PRICES = Bucket(
    subject="prices",
    owner=_S.METERING,
    readers=(_S.ROUTER,),
    message=money.PriceRecord,
    doc="What things cost: lines of price books that are or will be valid. Key: price id.",
)
BUDGETS = Bucket(
    subject="budgets",
    owner=_S.METERING,
    readers=(_S.ROUTER,),
    message=money.BudgetRecord,
    doc="Budgets and what was spent of them. Key: budget id.",
)
ASSIGNMENTS = Bucket(
    subject="assignments",
    owner=_S.SCHEDULER,
    readers=(_S.NODE_AGENT,),
    message=scheduler.NodeAssignments,
    doc="What each node must run. Key: node id; a node reads only its own.",
)
ENDPOINTS = Bucket(
    subject="endpoints",
    owner=_S.SCHEDULER,
    readers=(_S.ROUTER,),
    message=scheduler.DeploymentEndpoints,
    doc="Addresses that take requests. Key: deployment id.",
)
ORDERS = Bucket(
    subject="orders",
    owner=_S.SCHEDULER,
    readers=(_S.NODE_AGENT,),
    message=provisioning.NodeOrders,
    doc="What each node should keep ready: engines and model files. Key: node id; a node reads only its own.",
)
STORES = Bucket(
    subject="stores",
    owner=_S.NODE_AGENT,
    readers=(_S.SCHEDULER,),
    message=provisioning.NodeStore,
    provisioners=(_S.SCHEDULER,),
    doc="What each node keeps: engines and model files. Key: node id; a node writes only its own.",
)
REPORTS = Bucket(
    subject="reports",
    owner=_S.NODE_AGENT,
    readers=(_S.SCHEDULER,),
    message=node.NodeReport,
    provisioners=(_S.SCHEDULER,),
    doc="What each node has and runs. Key: node id; a node writes only its own.",
)

HEARTBEAT = Signal(
    subject="rh.hb.v1.node-agent.node.beat",
    owner=_S.NODE_AGENT,
    readers=(_S.SCHEDULER, _S.ROUTER),
    message=node.Heartbeat,
    doc="Node liveness, and its engines' queues. Id: node id.",
)
LOG_LINE = Signal(
    subject="rh.log.v1.node-agent.replica.line",
    owner=_S.NODE_AGENT,
    readers=(_S.SCHEDULER,),
    message=node.LogLine,
    id_tokens=2,
    doc="Live engine log. Id: node id, replica id.",
)

NODE_SAMPLE = Signal(
    subject="rh.hb.v1.node-agent.node.sample",
    owner=_S.NODE_AGENT,
    readers=(_S.METERING,),
    message=node.NodeSample,
    doc="Processor, memory and devices of a host. Id: node id.",
)
DEMAND = Signal(
    subject="rh.hb.v1.router.demand.tell",
    owner=_S.ROUTER,
    readers=(_S.SCHEDULER,),
    message=demand.RouterDemand,
    doc="What one router has to do for each deployment. Id: router id.",
)
ROUTER_STATE = Signal(
    subject="rh.hb.v1.router.state.share",
    owner=_S.ROUTER,
    readers=(_S.ROUTER,),
    message=demand.RouterState,
    doc="What one router has seen of endpoints, for the others. Id: router id.",
)
DEPLOYMENT_WANTED = Signal(
    subject="rh.hint.v1.router.deployment.wanted",
    owner=_S.ROUTER,
    readers=(_S.SCHEDULER,),
    message=demand.DeploymentWanted,
    doc="A request waits for a deployment that sleeps. Id: deployment id.",
)

TRANSFER_PROGRESS = Signal(
    subject="rh.hb.v1.node-agent.transfer.progress",
    owner=_S.NODE_AGENT,
    readers=(_S.SCHEDULER,),
    message=provisioning.TransferProgress,
    doc="How far a node is with a model's files. Id: node id.",
)

USAGE = Event(
    subject="rh.use.v1.router.request.settled",
    owner=_S.ROUTER,
    readers=(_S.METERING,),
    message=usage.UsageRecord,
    stream=USAGE_STREAM,
    durables=("metering-usage",),
    doc="One per admitted request, of routers that do not batch them. Id: router id.",
)
USAGE_BATCH = Event(
    subject="rh.use.v1.router.requests.settled",
    owner=_S.ROUTER,
    readers=(_S.METERING,),
    message=usage.UsageBatch,
    stream=USAGE_STREAM,
    durables=("metering-usage-batches",),
    doc="Records of admitted requests, one for each, several at once. Id: router id.",
)
DEPLOYMENT_CHANGED = Event(
    subject="rh.evt.v1.catalog.deployment.changed",
    owner=_S.CATALOG,
    readers=(_S.SCHEDULER,),
    message=catalog.DeploymentChanged,
    stream=EVENTS_STREAM,
    durables=("scheduler-timeline",),
    doc="An administrator changed a deployment. Id: deployment id.",
)
REPLICA_TRANSITION = Event(
    subject="rh.evt.v1.scheduler.replica.changed",
    owner=_S.SCHEDULER,
    readers=(_S.METERING,),
    message=scheduler.ReplicaTransition,
    stream=EVENTS_STREAM,
    durables=("metering-replicas",),
    doc="A replica changed phase. Id: replica id.",
)

VERSION_FAILED = Event(
    subject="rh.evt.v1.scheduler.version.failed",
    owner=_S.SCHEDULER,
    readers=(_S.CATALOG,),
    message=scheduler.VersionFailed,
    stream=EVENTS_STREAM,
    durables=("catalog-rollbacks",),
    doc="A new version failed before it took over. Id: deployment id.",
)

USAGE_RECORDED = Event(
    subject="rh.evt.v1.metering.usage.recorded",
    owner=_S.METERING,
    readers=(),
    message=finance.CloudEvent,
    stream=FINANCE_STREAM,
    doc="A request that was entered into the ledger, with what it cost then. Id: tenant id.",
)
COST_CORRECTED = Event(
    subject="rh.evt.v1.metering.cost.corrected",
    owner=_S.METERING,
    readers=(),
    message=finance.CloudEvent,
    stream=FINANCE_STREAM,
    doc="What is to be added to the cost of a request. Id: tenant id.",
)
BUDGET_REACHED = Event(
    subject="rh.evt.v1.metering.budget.reached",
    owner=_S.METERING,
    readers=(),
    message=finance.CloudEvent,
    stream=FINANCE_STREAM,
    doc="A budget has reached a threshold. Id: tenant id.",
)

_CONSUMING_SERVICES = (_S.CATALOG, _S.SCHEDULER, _S.METERING)

DEAD_LETTERS: dict[Service, Event[operations.DeadLetter]] = {
    service: Event(
        subject=f"rh.dlq.v1.{service.value}.letter.put",
        owner=service,
        readers=(service,),
        message=operations.DeadLetter,
        stream=DLQ_STREAM,
        doc=f"A message the {service.value} service could not process. Id: durable name.",
    )
    for service in _CONSUMING_SERVICES
}

AUDIT: dict[Service, Event[identity.AuditRecord]] = {
    service: Event(
        subject=f"rh.evt.v1.{service.value}.audit.recorded",
        owner=service,
        readers=(_S.CATALOG,),
        message=identity.AuditRecord,
        stream=AUDIT_STREAM,
        durables=(f"catalog-audit-{service.value}",),
        doc=f"Who did what through the {service.value} service. Id: audit record id.",
    )
    for service in (_S.SCHEDULER, _S.METERING)
}
"""The catalog enters its own without the bus."""

STREAMS: tuple[Stream, ...] = (USAGE_STREAM, EVENTS_STREAM, AUDIT_STREAM, DLQ_STREAM, FINANCE_STREAM)

CONTRACTS: tuple[Contract, ...] = (
    SPECS,
    KEYS,
    ROUTES,
    PROVIDERS,
    LIMITS,
    TENANTS,
    SIGN_OUTS,
    SIGNING_KEYS,
    PRICES,
    BUDGETS,
    ASSIGNMENTS,
    ENDPOINTS,
    REPORTS,
    ORDERS,
    STORES,
    HEARTBEAT,
    LOG_LINE,
    NODE_SAMPLE,
    DEMAND,
    ROUTER_STATE,
    DEPLOYMENT_WANTED,
    TRANSFER_PROGRESS,
    *QUESTIONS,
    USAGE,
    USAGE_BATCH,
    DEPLOYMENT_CHANGED,
    REPLICA_TRANSITION,
    VERSION_FAILED,
    USAGE_RECORDED,
    COST_CORRECTED,
    BUDGET_REACHED,
    *AUDIT.values(),
    *DEAD_LETTERS.values(),
)
