"""Read what model files say of themselves: open files and their sizes in, values out. Nothing is trusted."""

from roundhouse_common.sizing.readers.gguf import GgufHeader, read_gguf, split_names
from roundhouse_common.sizing.readers.gguf_facts import gguf_facts
from roundhouse_common.sizing.readers.hf_facts import HfFiles, hf_facts
from roundhouse_common.sizing.readers.safetensors import Tensor, WeightIndex, bytes_by_dtype, read_header, read_index
from roundhouse_common.sizing.readers.strict_json import JsonObject, parse_object
from roundhouse_common.sizing.readers.unreadable import Unreadable

__all__ = [
    "GgufHeader",
    "HfFiles",
    "JsonObject",
    "Tensor",
    "Unreadable",
    "WeightIndex",
    "bytes_by_dtype",
    "gguf_facts",
    "hf_facts",
    "parse_object",
    "read_gguf",
    "read_header",
    "read_index",
    "split_names",
]
