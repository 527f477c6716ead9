"""What a request may cost, before it is answered, and what it did cost."""

from collections.abc import Callable, Mapping
from typing import Final

from roundhouse_common.contracts.money import PriceRecord
from roundhouse_common.contracts.routing import RouteTarget
from roundhouse_common.contracts.scheduler import DeploymentEndpoints
from roundhouse_common.contracts.usage import UsageRecord
from roundhouse_common.pricing import PriceFacts, PriceTable, cost, facts_of, most_cost, percent_of, quantities_of
from roundhouse_router.domain.limits.demand import Demand

__all__ = ["Spending"]

_CLASSES_MOST: Final = 10_000


class Spending:
    """Prices of requests by the prices that metering published."""

    def __init__(
        self, prices: Callable[[], PriceTable], deployments: Callable[[], Mapping[str, DeploymentEndpoints]]
    ) -> None:
        self._prices = prices
        self._deployments = deployments
        self._classes: dict[str, tuple[DeploymentEndpoints, frozenset[str]]] = {}

    def most(self, demand: Demand, input_tokens: int, output_tokens: int, now: float) -> int | None:
        """Return the most that the request may cost, whichever of its route's targets answers it; None: one of them has
        no price. Nobody knows yet which accelerator answers: the dearest that the target has."""
        prices, most = self._prices(), 0
        for target in demand.targets:
            for device_class in self._device_classes(target):
                price = self._price(prices, demand, target, device_class, input_tokens, now)
                if price is None:
                    return None
                found = most_cost(
                    price.rates, input_tokens=input_tokens, output_tokens=output_tokens, images=demand.images
                )
                if found is None:
                    return None
                most = max(most, found)
        return most

    def of(self, record: UsageRecord) -> int:
        """Return what the request cost; 0 where it has no price."""
        price = self._prices().choose(facts_of(record))
        if price is None:
            return 0
        return cost(price.rates, quantities_of(record), percent=percent_of(price, record.reuse)) or 0

    def _price(
        self,
        prices: PriceTable,
        demand: Demand,
        target: RouteTarget,
        device_class: str,
        input_tokens: int,
        now: float,
    ) -> PriceRecord | None:
        deployment = self._deployments().get(target.deployment_id) if target.deployment_id else None
        facts = PriceFacts(
            at=now,
            tenant_id=demand.tenant_id,
            deployment_id=target.deployment_id,
            provider_id=target.provider_id,
            model=deployment.model_name if deployment else target.model,
            device_class=device_class,
            operation=demand.operation.value,
            input_tokens=input_tokens,
        )
        return prices.choose(facts)

    def _device_classes(self, target: RouteTarget) -> frozenset[str]:
        deployment = self._deployments().get(target.deployment_id) if target.deployment_id else None
        if deployment is None:
            return _NO_CLASS
        known = self._classes.get(target.deployment_id)
        if known is None or known[0] is not deployment:
            if len(self._classes) >= _CLASSES_MOST:
                self._classes.clear()
            classes = frozenset(endpoint.device_class for endpoint in deployment.endpoints) or _NO_CLASS
            known = self._classes[target.deployment_id] = deployment, classes
        return known[1]


_NO_CLASS: Final = frozenset(("",))
