"""The bus in memory: the same promises as on NATS, for tests and simulations."""

from prometheus_client import CollectorRegistry

from roundhouse_common.bus.core import BusIdentity, WireBus
from roundhouse_common.bus.faults import Faults
from roundhouse_common.bus.memory_broker import MemoryBroker
from roundhouse_common.bus.memory_wire import MemoryWire
from roundhouse_common.bus.metrics import BusMetrics
from roundhouse_common.contracts.base import Service
from roundhouse_common.runtime import Clock

__all__ = ["Faults", "MemoryBroker", "MemoryBus"]


class MemoryBus(WireBus):
    """A connection of one service to a `MemoryBroker`; `faults` disturbs this connection alone."""

    def __init__(
        self,
        broker: MemoryBroker,
        service: Service,
        *,
        clock: Clock,
        instance: str = "",
        node_id: str = "",
        faults: Faults | None = None,
        registry: CollectorRegistry | None = None,
    ) -> None:
        self.faults = faults or Faults()
        identity = BusIdentity(service=service, instance=instance or service.value, node_id=node_id)
        super().__init__(MemoryWire(broker, self.faults), identity, clock=clock, metrics=BusMetrics(registry))
