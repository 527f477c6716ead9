"""Engines that speak a client's API themselves: which do it well enough."""

from collections.abc import Sequence
from typing import Final

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.contracts.features import Feature
from roundhouse_common.contracts.routing import RouteTarget
from roundhouse_common.contracts.scheduler import DeploymentEndpoints, Endpoint
from roundhouse_router.domain.tables import RoutingTable

__all__ = ["may_be_spoken", "speaks"]

_UNFAITHFUL: Final = frozenset(
    {(EngineKind.LLAMA_CPP, Feature.RESPONSES), (EngineKind.LLAMA_SERVER, Feature.RESPONSES)}
)
"""llama.cpp's events of the Responses API have no `output_index`, `content_index` and `sequence_number`: the openai
client's `responses.stream()` fails on them."""


def may_be_spoken(table: RoutingTable, targets: Sequence[RouteTarget], feature: Feature | None) -> bool:
    """Whether some endpoint of these targets gets the client's own bytes."""
    found = (table.deployments.get(target.deployment_id) for target in targets)
    return any(
        speaks(deployment, endpoint, feature)
        for deployment in found
        if deployment is not None
        for endpoint in deployment.endpoints
    )


def speaks(deployment: DeploymentEndpoints, endpoint: Endpoint, feature: Feature | None) -> bool:
    """Whether an engine gets the client's own bytes in this API; otherwise they are translated.

    One of which nothing is known is asked in OpenAI's chat, which most have; so is one whose model has defaults, which
    are known by OpenAI's names.
    """
    defaults = deployment.defaults
    is_plain = defaults is None or not (defaults.system_message or defaults.parameters)
    return is_plain and feature in endpoint.features and (endpoint.engine, feature) not in _UNFAITHFUL
