"""Routes, endpoints and requests for tests of where requests go: everything that is not said has a default."""

import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from roundhouse_common.contracts.features import Feature
from roundhouse_common.contracts.routing import (
    ApiKeyRecord,
    Balancing,
    ProviderFormat,
    ProviderRecord,
    RouteRecord,
    RouteTarget,
)
from roundhouse_common.contracts.scheduler import DeploymentEndpoints
from roundhouse_router.domain.choosing.candidate import Candidate, Verdict
from roundhouse_router.domain.choosing.choice import Choice
from roundhouse_router.domain.choosing.chooser import Chooser, ChoosingOptions
from roundhouse_router.domain.health import HealthOptions
from roundhouse_router.domain.routing import resolve
from roundhouse_router.domain.tables import EMPTY, RoutingTable, by_digest, by_name, usable_providers
from roundhouse_router.domain.targets import RequestFacts
from tests.support.running_router import api_key, deployment_endpoints, endpoint, route

__all__ = ["World", "endpoints", "provider"]


def endpoints(count: int, deployment_id: str = "dep_1", **changed: Any) -> DeploymentEndpoints:  # Any: Endpoint's
    """Return a deployment of so many ready endpoints, `rep_0` and so on."""
    found = (endpoint(f"http://{number}", number, **changed) for number in range(count))
    return deployment_endpoints(*found, deployment_id=deployment_id)


def provider(provider_id: str = "prv_1", **changed: Any) -> ProviderRecord:  # Any: fields of ProviderRecord
    fields = {
        "provider_id": provider_id,
        "name": provider_id,
        "tenant_id": "",
        "format": ProviderFormat.OPENAI,
        "base_url": "https://api.example.com/v1",
    }
    return ProviderRecord(**{**fields, **changed})


class World:
    """A chooser and the table it goes by."""

    def __init__(
        self,
        *deployments: DeploymentEndpoints,
        routes: Iterable[RouteRecord] = (),
        providers: Iterable[ProviderRecord] = (),
        balancing: Balancing | None = None,
        region: str = "",
        seed: int = 1,
        health: HealthOptions | None = None,
        **of_the_route: Any,  # Any: fields of RouteRecord
    ) -> None:
        self.key = api_key()
        routes = list(routes) or [route(balancing=balancing or Balancing(), **of_the_route)]
        self.table: RoutingTable = replace(
            EMPTY,
            keys=by_digest([self.key]),
            routes=by_name(routes),
            providers=usable_providers(providers),
            is_known=True,
        )
        self.serve(*deployments)
        options = ChoosingOptions(region=region, health=health or HealthOptions())
        self.chooser = Chooser(options, random.Random(seed).random)
        self.now = 1000.0

    def serve(self, *deployments: DeploymentEndpoints) -> None:
        """Swap the endpoints of these deployments."""
        changed = {**self.table.deployments, **{one.deployment_id: one for one in deployments}}
        self.table = replace(self.table, deployments=changed)

    def facts(self, key: ApiKeyRecord | None = None, **changed: Any) -> RequestFacts:  # Any: its fields
        return RequestFacts(key=key or self.key, **{"features": (Feature.CHAT,), **changed})

    def begin(self, model: str = "tiny", **facts: Any) -> Choice:  # Any: fields of RequestFacts
        about = self.facts(**facts)
        return self.chooser.begin(self.table, resolve(self.table, about.key, model), about, self.now)

    def next(self, **facts: Any) -> Candidate | None:  # Any: as above
        """Return who a new request would go to."""
        return self.begin(**facts).next(self.now)

    def send(self, **facts: Any) -> Candidate:  # Any: as above
        """Send a request, which stays in flight."""
        candidate = self.next(**facts)
        assert candidate is not None
        self.chooser.sent(candidate, self.now)
        return candidate

    def end(
        self, candidate: Candidate, verdict: Verdict = Verdict.OK, first_token_s: float | None = None, **more: Any
    ) -> None:  # Any: keywords of `ended`
        self.chooser.ended(candidate, verdict, self.now, first_token_s, **more)

    def ask(self, verdict: Verdict = Verdict.OK, **facts: Any) -> str:  # Any: as above
        """Send a request that ends at once; return where it went."""
        candidate = self.send(**facts)
        self.end(candidate, verdict)
        return candidate.endpoint_id

    def shares(self, count: int, **facts: Any) -> Mapping[str, int]:  # Any: as above
        """Return how many of so many requests went where, one after the other."""
        return Counter(self.ask(**facts) for _ in range(count))

    def way(self, **facts: Any) -> list[str]:  # Any: as above
        """Return all that one request would try, in order."""
        choice, found = self.begin(**facts), []
        while (candidate := choice.next(self.now)) is not None:
            found.append(candidate.endpoint_id)
        return found

    def answer(self, endpoint_id: str, verdict: Verdict = Verdict.FAILED, times: int = 1, **more: Any) -> None:
        """Let so many requests, sent there by whatever strategy, end so one after the other."""
        for deployment in self.table.deployments.values():
            for one in self.chooser.roster.group(deployment).members:
                if one.endpoint_id == endpoint_id:
                    target = RouteTarget(deployment_id=deployment.deployment_id)
                    for _ in range(times):
                        candidate = Candidate(target, "tiny", one.standing, deployment, one.endpoint)
                        self.chooser.sent(candidate, self.now)
                        self.end(candidate, verdict, **more)
