"""What the bus counts."""

from prometheus_client import CollectorRegistry, Counter, Gauge

__all__ = ["BusMetrics"]


class BusMetrics:
    """The bus metrics of one process, in the registry that `/metrics` shows."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        registry = registry or CollectorRegistry()
        self.is_connected = Gauge("roundhouse_bus_connected", "1 while the server answers", registry=registry)
        self.connections = Counter("roundhouse_bus_connections", "Connections that came up", registry=registry)
        self.permission_errors = Counter(
            "roundhouse_bus_permission_errors",
            "Subjects the server refused this service; any is a defect or an attack",
            registry=registry,
        )
        self.client_errors = Counter(
            "roundhouse_bus_client_errors", "Errors of the NATS client, by class", ["error"], registry=registry
        )
        self.handled = Counter(
            "roundhouse_bus_messages_handled", "Messages a durable consumer settled", ["consumer", "how"],
            registry=registry,
        )  # fmt: skip
        self.undecodable = Counter(
            "roundhouse_bus_undecodable", "Messages or bucket entries that did not decode", ["subject"],
            registry=registry,
        )  # fmt: skip
        self.handler_errors = Counter(
            "roundhouse_bus_handler_errors", "Signal or request handlers that failed", ["subject"], registry=registry
        )
