"""Reads the headers of a model's files. Runs as a process of its own, so that a hostile file harms nobody else:

    python -m roundhouse_node_agent.models.reading PATH

writes a ModelInspected as JSON to standard output. It may use little memory and no network, and whoever starts it ends
it when it takes too long. For files at a source elsewhere: `remote_reading.py`.
"""

import hashlib
import resource
import sys
from collections.abc import Callable, Sequence
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
from roundhouse_node_agent.models.file_tree import FileTree, LocalTree

__all__ = ["answered", "main", "read_model", "read_tree"]

_MOST_MEMORY_BYTES: Final = 2 * 1024**3
_MOST_CPU_S: Final = 30
_CONFIG = "config.json"


def main(arguments: list[str]) -> int:
    """Write what the model at the path is, or why it cannot be told; return 0 either way."""
    path = Path(arguments[0])
    return answered(lambda: ModelInspected(facts=read_model(path)), most_memory_bytes=_MOST_MEMORY_BYTES)


def answered(read: Callable[[], ModelInspected], *, most_memory_bytes: int) -> int:
    """Write what `read` finds out, or why it does not; return the exit code of the process."""
    resource.setrlimit(resource.RLIMIT_AS, (most_memory_bytes, most_memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (_MOST_CPU_S, _MOST_CPU_S))
    try:
        found = read()
    except (Unreadable, OSError) as error:
        found = ModelInspected(error=str(error))
    except MemoryError:
        found = ModelInspected(error=f"reading its headers takes more than {most_memory_bytes // 1024**2} MiB")
    sys.stdout.buffer.write(msgspec.json.encode(found))
    return 0


def read_model(path: Path) -> ModelFacts:
    """Return the facts of the model at a path: a GGUF file or one part of it, a safetensors file, or a directory.

    Raises Unreadable or OSError.
    """
    return read_tree(LocalTree(path)) if path.is_dir() else read_tree(LocalTree(path.parent), path.name)


def read_tree(tree: FileTree, name: str = "") -> ModelFacts:
    """Return the facts of the model that a file of the tree is or, without a name, the whole tree. As `read_model`."""
    match Path(name).suffix:
        case ".gguf":
            return _read_gguf(tree, name)
        case ".safetensors":
            return _read_hf(tree, [name])
        case _ if name:
            raise Unreadable(f"{name} is neither a GGUF nor a safetensors file nor a directory")
    names = tree.names()
    if _CONFIG in names:
        return _read_hf(tree, names)
    first = [name for name in names if name.endswith(".gguf") and (split_names(name) or (name,))[0] == name]
    match first:
        case [only]:
            return _read_gguf(tree, only)
        case []:
            raise Unreadable(f"{tree.what} has neither config.json nor a GGUF file")
        case several:
            raise Unreadable(f"{tree.what} has {len(several)} models: {', '.join(several[:5])}; name one of the files")


def _read_gguf(tree: FileTree, name: str) -> ModelFacts:
    names = split_names(name) or (name,)
    headers: list[GgufHeader] = []
    sizes: list[tuple[str, int]] = []
    missing: list[str] = []
    tree.expect(names)
    for part in names:
        size = tree.size(part)
        if size is None:
            missing.append(part)
            continue
        with tree.open(part) as file:
            headers.append(read_gguf(file, size, what=part))
        sizes.append((part, size))
    if not headers:
        raise Unreadable(f"{name} is not there")
    tensors = [tensor for header in headers for tensor in header.tensors]
    facts = gguf_facts(headers, missing_parts=missing)
    return msgspec.structs.replace(facts, digest=_digest(sizes, tensors, b""))


def _read_hf(tree: FileTree, names: Sequence[str]) -> ModelFacts:
    config = _small(tree, _CONFIG, MAX_CONFIG_BYTES)
    beside = "hf_quant_config.json"
    quantization = _small(tree, beside, MAX_CONFIG_BYTES) if tree.size(beside) is not None else b""
    shards, faults = _shards(tree, names)
    tree.expect(shards)
    sizes: list[tuple[str, int]] = []
    tensors: list[Tensor] = []
    missing: list[str] = []
    for name in shards:
        size = tree.size(name)
        if size is None:
            missing.append(name)
            continue
        with tree.open(name) as file:
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


def _shards(tree: FileTree, names: Sequence[str]) -> tuple[Sequence[str], list[str]]:
    """Return the weight files (what the index names, else `model.safetensors`, else all), and what is wrong."""
    indexes = [name for name in names if name.endswith(".safetensors.index.json")]
    if "model.safetensors.index.json" in indexes:
        indexes = ["model.safetensors.index.json"]
    if len(indexes) == 1:
        return read_index(_small(tree, indexes[0], MAX_INDEX_BYTES), what=indexes[0]).shards, []
    if len(indexes) > 1:
        return (), [f"there are {len(indexes)} indexes: {', '.join(indexes[:5])}"]
    files = [name for name in names if name.endswith(".safetensors")]
    if "model.safetensors" in files:
        return ["model.safetensors"], []
    files = [name for name in files if not name.startswith("consolidated")] or files  # Mistral's second copy
    if not files and any(name.endswith((".bin", ".pt", ".pth")) for name in names):
        return (), ["its weights are pickled PyTorch files, which are not read; convert them to safetensors"]
    return files, []


def _small(tree: FileTree, name: str, most_bytes: int) -> bytes:
    size = tree.size(name)
    if size is None:
        raise Unreadable(f"{tree.what} has no {name}")
    if size > most_bytes:
        raise Unreadable(f"{name} has {size} bytes; at most {most_bytes} are read")
    with tree.open(name) as file:
        return file.read(size)


def _digest(sizes: Sequence[tuple[str, int]], tensors: Sequence[Tensor], texts: bytes) -> str:
    parts = msgspec.json.encode([sizes, tensors])
    return hashlib.sha256(parts + hashlib.sha256(texts).digest()).hexdigest()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
