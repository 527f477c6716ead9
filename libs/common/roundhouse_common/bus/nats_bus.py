"""The bus on NATS."""

from collections.abc import Callable
from pathlib import Path

from prometheus_client import CollectorRegistry

from roundhouse_common.bus.core import BusIdentity, WireBus
from roundhouse_common.bus.metrics import BusMetrics
from roundhouse_common.bus.nats_session import NatsAddress
from roundhouse_common.bus.nats_wire import NatsWire
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.generate.permissions import inbox_prefix
from roundhouse_common.runtime import Clock, Ids, SystemIds

__all__ = ["NatsBus"]


class NatsBus(WireBus):
    """A connection of one service to NATS; it comes back by itself and provisions what the service owns.

    `replicas` is how many servers of a cluster keep each stream. Messages refused by the server's permissions are
    counted in `roundhouse_bus_permission_errors` and logged: the server tells of them only asynchronously.
    `seed_file` is a seed or a credentials file; `on_revoked` is called when the server ends the connection because it
    takes these credentials no more. It goes on trying: the file may be replaced.
    """

    def __init__(
        self,
        service: Service,
        *,
        url: str,
        seed_file: Path | None = None,
        instance: str = "",
        clock: Clock,
        ids: Ids | None = None,
        node_id: str = "",
        replicas: int = 1,
        connect_wait_s: float = 2.0,
        registry: CollectorRegistry | None = None,
        on_revoked: Callable[[], None] | None = None,
    ) -> None:
        instance = instance or (ids or SystemIds()).new(service.value)
        metrics = BusMetrics(registry)
        address = NatsAddress(
            url=url,
            name=f"{service.value}/{instance}",
            inbox_prefix=inbox_prefix(service, node_id),
            seed_file=seed_file,
        )
        super().__init__(
            NatsWire(address, metrics=metrics, replicas=replicas, on_revoked=on_revoked),
            BusIdentity(service=service, instance=instance, node_id=node_id),
            clock=clock,
            metrics=metrics,
            connect_wait_s=connect_wait_s,
        )
