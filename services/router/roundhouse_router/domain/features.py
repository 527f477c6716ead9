"""Which engines have the endpoint that a request is for. An engine that has it not is never asked."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from roundhouse_common.contracts.features import Feature
from roundhouse_common.contracts.routing import RouteTarget
from roundhouse_common.contracts.scheduler import DeploymentEndpoints, Endpoint, EndpointState
from roundhouse_common.contracts.usage import Operation
from roundhouse_router.domain.errors import EndpointNotServed

__all__ = ["FEATURES", "GENERATING", "OPERATIONS", "ROUTABLE", "check_served", "serves"]

OPERATIONS: Final[Mapping[str, Operation]] = MappingProxyType(
    {
        "/v1/chat/completions": Operation.CHAT,
        "/v1/completions": Operation.COMPLETION,
        "/v1/embeddings": Operation.EMBEDDING,
        "/v1/rerank": Operation.RERANK,
        "/v1/score": Operation.SCORE,
    }
)
"""The inference paths."""
GENERATING: Final = frozenset({Operation.CHAT, Operation.COMPLETION})
"""Those whose answers are text: they stream, and have sampling parameters."""
ROUTABLE: Final = (EndpointState.READY, EndpointState.SUSPECT)

FEATURES: Final[Mapping[Operation, Feature]] = MappingProxyType(
    {
        Operation.CHAT: Feature.CHAT,
        Operation.COMPLETION: Feature.COMPLETIONS,
        Operation.EMBEDDING: Feature.EMBEDDINGS,
        Operation.RERANK: Feature.RERANK,
        Operation.SCORE: Feature.SCORE,
    }
)
_PATHS: Final = {operation: path for path, operation in OPERATIONS.items()}


def serves(endpoint: Endpoint, feature: Feature) -> bool:
    """Whether its engine may be asked. One of which nothing is known may."""
    return not endpoint.features or feature in endpoint.features


def check_served(
    deployments: Mapping[str, DeploymentEndpoints], targets: Sequence[RouteTarget], operation: Operation, model: str
) -> None:
    """Raise EndpointNotServed if there are engines that take requests, and none of them has this endpoint.

    A deployment that sleeps may have it: nothing is said then.
    """
    feature = FEATURES[operation]
    for target in targets:
        deployment = deployments.get(target.deployment_id)
        if deployment is not None and _may_serve(deployment, feature):
            return
    found = (deployments.get(target.deployment_id) for target in targets)
    lacking = [
        endpoint
        for deployment in found
        if deployment is not None
        for endpoint in deployment.endpoints
        if endpoint.state in ROUTABLE
    ]
    if lacking:
        raise EndpointNotServed(_words(lacking, operation, model))


def _may_serve(deployment: DeploymentEndpoints, feature: Feature) -> bool:
    is_empty = True
    for endpoint in deployment.endpoints:
        if endpoint.state in ROUTABLE:
            if serves(endpoint, feature):
                return True
            is_empty = False
    return is_empty and deployment.is_wakeable


def _words(lacking: Iterable[Endpoint], operation: Operation, model: str) -> str:
    engines = ", ".join(sorted({endpoint.engine.value for endpoint in lacking}))
    has = {feature for endpoint in lacking for feature in endpoint.features}
    paths = [path for path, other in OPERATIONS.items() if FEATURES[other] in has]
    return (
        f"The model `{model}` cannot be used at {_PATHS[operation]}: its engine ({engines}) does not have it. "
        f"It has {' and '.join(paths) if paths else 'nothing that is offered here'}."
    )
