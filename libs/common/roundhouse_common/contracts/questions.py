"""Questions over the bus, each answered at once or not at all. The registry has them with all other contracts."""

from roundhouse_common.contracts import (
    commands,
    models,
    node,
    operations,
    provisioning,
    request_log,
    routers,
    scheduler,
)
from roundhouse_common.contracts.base import Contract, Rpc, Service

__all__ = [
    "CLEAN_STORE",
    "CLEAR_ANSWERS",
    "INSPECT_MODEL",
    "QUESTIONS",
    "READ_ASSIGNMENTS",
    "READ_LOG",
    "READ_MODEL_FACTS",
    "READ_REQUEST_LOG",
    "READ_ROUTER",
    "READ_VERSION_STATES",
    "REGISTER_NODE",
    "RENDER_COMMAND",
    "REPUBLISH_USAGE",
]

_S = Service

REGISTER_NODE = Rpc(
    subject="rh.rpc.v1.scheduler.node.register",
    owner=_S.SCHEDULER,
    readers=(_S.NODE_AGENT,),
    request=scheduler.RegisterNode,
    reply=scheduler.Registered,
    doc="A new epoch for a node. Id: node id.",
)
READ_ASSIGNMENTS = Rpc(
    subject="rh.rpc.v1.scheduler.node.assignments",
    owner=_S.SCHEDULER,
    readers=(_S.NODE_AGENT,),
    request=scheduler.AssignmentsQuery,
    reply=scheduler.NodeAssignments,
    doc="The authoritative assignments of a node, read from SQL. Id: node id.",
)
READ_LOG = Rpc(
    subject="rh.rpc.v1.node-agent.log.read",
    owner=_S.NODE_AGENT,
    readers=(_S.SCHEDULER,),
    request=node.LogQuery,
    reply=node.LogChunk,
    doc="A range of an engine's log. Id: node id.",
)
CLEAN_STORE = Rpc(
    subject="rh.rpc.v1.node-agent.store.clean",
    owner=_S.NODE_AGENT,
    readers=(_S.SCHEDULER,),
    request=provisioning.CleanStore,
    reply=provisioning.StoreCleaned,
    doc="Delete model files that nothing uses. Id: node id.",
)
RENDER_COMMAND = Rpc(
    subject="rh.rpc.v1.node-agent.command.render",
    owner=_S.NODE_AGENT,
    readers=(_S.SCHEDULER,),
    request=commands.RenderCommand,
    reply=commands.CommandRendered,
    doc="How an engine of a version would be started there. Id: node id.",
)
READ_MODEL_FACTS = Rpc(
    subject="rh.rpc.v1.node-agent.model.read",
    owner=_S.NODE_AGENT,
    readers=(_S.SCHEDULER,),
    request=models.InspectModel,
    reply=models.ModelInspected,
    doc="The headers of a model's files on a node. Id: node id.",
)
INSPECT_MODEL = Rpc(
    subject="rh.rpc.v1.scheduler.model.inspect",
    owner=_S.SCHEDULER,
    readers=(_S.CATALOG,),
    request=models.InspectModel,
    reply=models.ModelInspected,
    doc="What some node that has the model's files reads in them. Id: `any`.",
)
READ_VERSION_STATES = Rpc(
    subject="rh.rpc.v1.scheduler.version.states",
    owner=_S.SCHEDULER,
    readers=(_S.CATALOG,),
    request=scheduler.VersionStatesQuery,
    reply=scheduler.VersionStates,
    doc="Which versions of a deployment are active. Id: deployment id.",
)
REPUBLISH_USAGE = Rpc(
    subject="rh.rpc.v1.router.bus.rebuild",
    owner=_S.ROUTER,
    readers=(_S.METERING,),
    request=operations.RebuildBus,
    reply=operations.Rebuilt,
    is_broadcast=True,
    doc="Publish the retained usage records again. Id: `all`; every router answers, the asker gathers.",
)

READ_REQUEST_LOG = Rpc(
    subject="rh.rpc.v1.router.log.read",
    owner=_S.ROUTER,
    readers=(_S.CATALOG,),
    request=request_log.ReadRequestLog,
    reply=request_log.RequestLogPart,
    is_broadcast=True,
    doc="Lines of a tenant's request log. Id: `all`; every router answers, the asker gathers.",
)
READ_ROUTER = Rpc(
    subject="rh.rpc.v1.router.sight.read",
    owner=_S.ROUTER,
    readers=(_S.CATALOG,),
    request=routers.ReadRouter,
    reply=routers.RouterRead,
    is_broadcast=True,
    doc="How endpoints stand, and how many answers are kept. Id: `all`; every router answers, the asker gathers.",
)
CLEAR_ANSWERS = Rpc(
    subject="rh.rpc.v1.router.answers.clear",
    owner=_S.ROUTER,
    readers=(_S.CATALOG,),
    request=routers.ClearAnswers,
    reply=routers.AnswersCleared,
    is_broadcast=True,
    doc="Forget a tenant's answers in the response cache. Id: `all`; every router answers, the asker gathers.",
)

QUESTIONS: tuple[Contract, ...] = (
    REGISTER_NODE,
    READ_ASSIGNMENTS,
    READ_LOG,
    CLEAN_STORE,
    RENDER_COMMAND,
    READ_MODEL_FACTS,
    INSPECT_MODEL,
    READ_VERSION_STATES,
    REPUBLISH_USAGE,
    READ_REQUEST_LOG,
    READ_ROUTER,
    CLEAR_ANSWERS,
)
