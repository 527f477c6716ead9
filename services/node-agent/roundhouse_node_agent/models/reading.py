"""Reads the headers of a model's files. Runs as a process of its own, so that a hostile file harms nobody else:

    python -m roundhouse_node_agent.models.reading PATH

writes a ModelInspected as JSON to standard output. It may use little memory and no network, and whoever starts it ends
it when it takes too long.
"""

import hashlib
import os
import resource
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from roundhouse_common.contracts.models import ModelFacts, ModelInspected
from roundhouse_common.sizing.readers import (
    GgufHeader,
    HfFiles,
    Tensor,
    Unreadable,
    gguf_facts,
    hf_facts,
    read_gguf,
    read_header,
    read_index,
    split_names,
)
from roundhouse_common.sizing.readers.hf_facts import MAX_CONFIG_BYTES
from roundhouse_common.sizing.readers.safetensors import MAX_INDEX_BYTES

__all__ = ["main", "read_model"]

_MOST_MEMORY_BYTES: Final = 2 * 1024**3
_MOST_CPU_S: Final = 30
_MOST_FILES: Final = 10_000
_CONFIG = "config.json"


def main(arguments: list[str]) -> int:
    """Write what the model at the path is, or why it cannot be told; return 0 either way."""
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY_BYTES, _MOST_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (_MOST_CPU_S, _MOST_CPU_S))
    try:
        found = ModelInspected(facts=read_model(Path(arguments[0])))
    except (Unreadable, OSError) as error:
        found = ModelInspected(error=str(error))
    except MemoryError:
        found = ModelInspected(error=f"reading its headers takes more than {_MOST_MEMORY_BYTES // 1024**2} MiB")
    sys.stdout.buffer.write(msgspec.json.encode(found))
    return 0


def read_model(path: Path) -> ModelFacts:
    """Return the facts of the model at a path: a GGUF file or one part of it, a safetensors file, or a directory.

    Raises Unreadable or OSError.
    """
    if not path.is_dir():
        match path.suffix:
            case ".gguf":
                return _read_gguf(path)
            case ".safetensors":
                return _read_hf(path.parent, [path.name])
            case _:
                raise Unreadable(f"{path.name} is neither a GGUF nor a safetensors file nor a directory")
    names = sorted(os.listdir(path))[:_MOST_FILES]
    if _CONFIG in names:
        return _read_hf(path, names)
    first = [name for name in names if name.endswith(".gguf") and (split_names(name) or (name,))[0] == name]
    match first:
        case [only]:
            return _read_gguf(path / only)
        case []:
            raise Unreadable(f"{path.name} has neither config.json nor a GGUF file")
        case several:
            raise Unreadable(f"{path.name} has {len(several)} models: {', '.join(several[:5])}; name one of the files")


def _read_gguf(path: Path) -> ModelFacts:
    names = split_names(path.name) or (path.name,)
    headers: list[GgufHeader] = []
    sizes: list[tuple[str, int]] = []
    missing: list[str] = []
    for name in names:
        part = path.with_name(name)
        if not part.exists():
            missing.append(name)
            continue
        size = _regular_size(part)
        with part.open("rb") as file:
            headers.append(read_gguf(file, size, what=name))
        sizes.append((name, size))
    if not headers:
        raise Unreadable(f"{path.name} is not there")
    tensors = [tensor for header in headers for tensor in header.tensors]
    facts = gguf_facts(headers, missing_parts=missing)
    return msgspec.structs.replace(facts, digest=_digest(sizes, tensors, b""))


def _read_hf(directory: Path, names: Sequence[str]) -> ModelFacts:
    config = _small(directory / _CONFIG, MAX_CONFIG_BYTES)
    beside = directory / "hf_quant_config.json"
    quantization = _small(beside, MAX_CONFIG_BYTES) if beside.exists() else b""
    shards, faults = _shards(directory, names)
    sizes: list[tuple[str, int]] = []
    tensors: list[Tensor] = []
    missing = [name for name in shards if not (directory / name).exists()]
    for name in shards:
        if name in missing:
            continue
        size = _regular_size(directory / name)
        with (directory / name).open("rb") as file:
            tensors += read_header(file, size, what=name)
        sizes.append((name, size))
    facts = hf_facts(
        HfFiles(
            config=config,
            quantization=quantization,
            tensors=tuple(tensors),
            missing_shards=tuple(missing),
            faults=tuple(faults),
        )
    )
    return msgspec.structs.replace(facts, digest=_digest(sizes, tensors, config + quantization))


def _shards(directory: Path, names: Sequence[str]) -> tuple[Sequence[str], list[str]]:
    """Return the weight files (what the index names, else `model.safetensors`, else all), and what is wrong."""
    indexes = [name for name in names if name.endswith(".safetensors.index.json")]
    if "model.safetensors.index.json" in indexes:
        indexes = ["model.safetensors.index.json"]
    if len(indexes) == 1:
        return read_index(_small(directory / indexes[0], MAX_INDEX_BYTES), what=indexes[0]).shards, []
    if len(indexes) > 1:
        return (), [f"there are {len(indexes)} indexes: {', '.join(indexes[:5])}"]
    files = [name for name in names if name.endswith(".safetensors")]
    if "model.safetensors" in files:
        return ["model.safetensors"], []
    files = [name for name in files if not name.startswith("consolidated")] or files  # Mistral's second copy
    if not files and any(name.endswith((".bin", ".pt", ".pth")) for name in names):
        return (), ["its weights are pickled PyTorch files, which are not read; convert them to safetensors"]
    return files, []


def _small(path: Path, most_bytes: int) -> bytes:
    size = _regular_size(path)
    if size > most_bytes:
        raise Unreadable(f"{path.name} has {size} bytes; at most {most_bytes} are read")
    return path.read_bytes()


def _regular_size(path: Path) -> int:
    """Return the file's size. A pipe or a device would block or never end."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise Unreadable(f"{path.name} is no regular file")
    return found.st_size


def _digest(sizes: Sequence[tuple[str, int]], tensors: Sequence[Tensor], texts: bytes) -> str:
    parts = msgspec.json.encode([sizes, tensors])
    return hashlib.sha256(parts + hashlib.sha256(texts).digest()).hexdigest()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
