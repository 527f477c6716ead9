"""Which engines have the endpoint that a request is for. An engine that has it not is never asked."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from roundhouse_common.contracts.features import Feature
from roundhouse_common.contracts.routing import RouteTarget
from roundhouse_common.contracts.scheduler import DeploymentEndpoints, Endpoint, EndpointState
from roundhouse_common.contracts.usage import Operation
from roundhouse_router.domain.errors import EndpointNotServed

__all__ = ["FEATURES", "GENERATING", "OPERATIONS", "PATHS", "ROUTABLE", "check_served", "serves"]

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
PATHS: Final[Mapping[Operation, str]] = MappingProxyType({operation: path for path, operation in OPERATIONS.items()})
"""OpenAI's path for an operation."""


def serves(endpoint: Endpoint, feature: Feature) -> bool:
    """Whether its engine may be asked. One of which nothing is known may."""
    return not endpoint.features or feature in endpoint.features


def check_served(
    deployments: Mapping[str, DeploymentEndpoints],
    targets: Sequence[RouteTarget],
    features: Sequence[Feature],
    *,
    path: str,
    model: str,
) -> None:
    """Raise EndpointNotServed if there are engines that take requests, and none of them has one of these features.

    A deployment that sleeps may have it, and an outside provider may: nothing is said then.
    """
    lacking: list[Endpoint] = []
    for target in targets:
        if target.provider_id:
            return
        deployment = deployments.get(target.deployment_id)
        if deployment is None:
            continue
        is_empty = True
        for endpoint in deployment.endpoints:
            if endpoint.state in ROUTABLE:
                is_empty = False
                if not endpoint.features:
                    return
                for feature in features:
                    if feature in endpoint.features:
                        return
                lacking.append(endpoint)
        if is_empty and deployment.is_wakeable:
            return
    if lacking:
        raise EndpointNotServed(_words(lacking, path, model))


def _words(lacking: Sequence[Endpoint], path: str, model: str) -> str:
    engines = ", ".join(sorted({endpoint.engine.value for endpoint in lacking}))
    has = {feature for endpoint in lacking for feature in endpoint.features}
    paths = [path for path, other in OPERATIONS.items() if FEATURES[other] in has]
    return (
        f"The model `{model}` cannot be used at {path}: its engine ({engines}) does not have it. "
        f"It has {' and '.join(paths) if paths else 'nothing that is offered here'}."
    )
