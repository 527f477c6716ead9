"""Engines that speak a client's API themselves: which do it well enough."""

from collections.abc import Sequence
from typing import Final

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.contracts.features import Feature
from roundhouse_common.contracts.routing import ProviderFormat, ProviderRecord, RouteTarget
from roundhouse_common.contracts.scheduler import DeploymentEndpoints, Endpoint
from roundhouse_router.domain.tables import RoutingTable

__all__ = ["may_be_spoken", "provider_speaks", "speaks"]

_UNFAITHFUL: Final = frozenset(
    {(EngineKind.LLAMA_CPP, Feature.RESPONSES), (EngineKind.LLAMA_SERVER, Feature.RESPONSES)}
)
"""llama.cpp's events of the Responses API have no `output_index`, `content_index` and `sequence_number`: the openai
client's `responses.stream()` fails on them."""

_SAID: Final = frozenset({Feature.MESSAGES, Feature.RESPONSES})


def may_be_spoken(table: RoutingTable, targets: Sequence[RouteTarget], feature: Feature | None) -> bool:
    """Whether some endpoint or provider of these targets gets the client's own bytes."""
    providers = (table.providers.get(target.provider_id) for target in targets)
    if any(provider_speaks(provider, feature) for provider in providers if provider is not None):
        return True
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


def provider_speaks(provider: ProviderRecord, feature: Feature | None) -> bool:
    """Whether a provider gets the client's own bytes: those of Anthropic's API do, and others where their record says
    that they have the endpoint."""
    if provider.format is ProviderFormat.ANTHROPIC:
        return feature is Feature.MESSAGES
    return provider.format is ProviderFormat.OPENAI and feature in _SAID and feature in provider.features
