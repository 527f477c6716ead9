"""Every engine that the agent knows how to run."""

from roundhouse_node_agent.engines.engine import Engine
from roundhouse_node_agent.engines.llama_cpp import LlamaCpp

__all__ = ["all_engines"]


def all_engines() -> dict[str, Engine]:
    """Return one driver for each kind, whether or not this host has the engine."""
    drivers: tuple[Engine, ...] = (LlamaCpp(),)
    return {driver.kind: driver for driver in drivers}
