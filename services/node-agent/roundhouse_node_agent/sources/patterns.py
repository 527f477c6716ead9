"""Which of a repository's files are fetched. Pure.

With patterns: what matches, the other parts of a file in parts, and for safetensors what an engine needs beside them.
Without: one copy of the weights in the format engines load best (safetensors, else the only GGUF model, else PyTorch's
own), and what an engine needs beside them. The same weights in another format are left where they are.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from difflib import SequenceMatcher
from fnmatch import fnmatchcase
from typing import Final

from roundhouse_node_agent.sources.gguf_sets import ListedFile, Quantisation, part_names, quantisations, size_in_words
from roundhouse_node_agent.sources.source import SourceRefused

__all__ = ["ListedFile", "select"]

_MOST_SHOWN: Final = 40
_MOST_CLOSE: Final = 5
_OTHER_COPIES: Final = re.compile(
    r"(^|/)(original|onnx|openvino|coreml|metal|mlx|tf|tflite|flax|gguf|ggml|runs|checkpoint-\d+|\.[^/]*)/",
    re.IGNORECASE,
)
"""Folders with the same weights in another format, or with a training's leavings."""
_PIPELINE: Final = "model_index.json"
"""Of diffusers: each folder is a part of the model."""
_MODULES: Final = "modules.json"
"""Of sentence-transformers: some folders are parts of the model."""
_CONSOLIDATED: Final = re.compile(r"(^|/)consolidated[^/]*$")
_VARIANT: Final = re.compile(r"\.(fp16|fp32|bf16|non_ema|ema)(?=[.-])")
_PYTORCH: Final = re.compile(r"(^|/)(pytorch_model|model|adapter_model|consolidated)[^/]*\.(bin|pt|pth)$")
_BESIDE: Final = re.compile(r"\.(json|txt|model|tiktoken|jinja|py|spm|vocab|bpe)$|(^|/)tokenizer[^/]*$", re.IGNORECASE)
_NOT_NEEDED: Final = re.compile(
    r"(^|/)(readme|licen[cs]e|notice|use_policy|requirements|trainer_state|training_args|all_results|train_results"
    r"|eval_results|results?)[^/]*$|\.(bin|msgpack|h5|pt|pth|onnx)\.index\.json$",
    re.IGNORECASE,
)
_INDEX: Final = ".safetensors.index.json"


def select(listed: Sequence[ListedFile], patterns: Sequence[str], *, what: str) -> tuple[ListedFile, ...]:
    """Return what to fetch, by path. Raises SourceRefused: nothing matches, or somebody has to choose."""
    chosen = _matching(listed, patterns, what) if patterns else _by_itself(listed, what)
    return tuple(sorted(chosen, key=lambda file: file.path))


def _matching(listed: Sequence[ListedFile], patterns: Sequence[str], what: str) -> set[ListedFile]:
    by_path = {file.path: file for file in listed}
    chosen: set[ListedFile] = set()
    for pattern in patterns:
        whole = f"{pattern}*" if pattern.endswith("/") else pattern
        found = {file for file in listed if fnmatchcase(file.path, whole)}
        if not found:
            raise SourceRefused(_nothing(pattern, listed, what))
        chosen |= found
    for file in tuple(chosen):
        names = part_names(file.path) or ()
        missing = [name for name in names if name not in by_path]
        if missing:
            raise SourceRefused(f"{what} lacks {_few(missing)} of the {len(names)} parts of {file.path}")
        chosen |= {by_path[name] for name in names}
    weights = {file for file in chosen if file.path.endswith(".safetensors")}
    return chosen | _beside(listed, weights)


def _by_itself(listed: Sequence[ListedFile], what: str) -> set[ListedFile]:
    files = [file for file in listed if not _OTHER_COPIES.search(file.path)]
    paths = {file.path for file in files}
    safetensors = _one_copy([file for file in files if file.path.endswith(".safetensors")])
    if _PIPELINE in paths:  # at its root is the whole once more, in one file
        safetensors = _unless_nothing_is_left(safetensors, lambda file: "/" in file.path)
    elif _MODULES not in paths:
        safetensors = _of_one_folder(safetensors, what)
    if safetensors:
        return {*safetensors, *_beside(listed, safetensors)}
    models = quantisations(listed)
    if len(models) > 1:
        raise SourceRefused(_choice(models, what))
    if models:
        return set(models[0].files)
    pytorch = _of_one_folder([file for file in files if _PYTORCH.search(file.path)], what)
    pytorch = _unless_nothing_is_left(pytorch, lambda file: not _CONSOLIDATED.search(file.path))
    if pytorch:
        return {*pytorch, *_beside(listed, pytorch), *_indexes(listed, pytorch)}
    held = _few(sorted({_ending(file.path) for file in listed}))
    raise SourceRefused(
        f"{what} has neither safetensors nor GGUF files; it has {held or 'no files'}. "
        "Name the files to fetch by patterns if an engine can load them"
    )


def _one_copy(weights: Sequence[ListedFile]) -> list[ListedFile]:
    """Leave out second copies: Mistral's consolidated files, half-precision variants, one file beside its parts."""
    found = _unless_nothing_is_left(weights, lambda file: not _CONSOLIDATED.search(file.path))
    plain = {file.path for file in found if not _VARIANT.search(file.path)}
    found = [file for file in found if file.path in plain or _VARIANT.sub("", file.path) not in plain]
    in_parts = {_stem(file.path) for file in found if part_names(file.path)}
    return [file for file in found if part_names(file.path) or _stem(file.path) not in in_parts]


def _of_one_folder(weights: Sequence[ListedFile], what: str) -> list[ListedFile]:
    """Return the weights at the root, else those of the only folder that has some."""
    folders: dict[str, list[ListedFile]] = {}
    for file in weights:
        folders.setdefault(_folder(file.path), []).append(file)
    if not folders or "" in folders:
        return folders.get("", [])
    if len(folders) > 1:
        offered = [f"{name}/ ({size_in_words(sum(file.size for file in files))})" for name, files in folders.items()]
        raise SourceRefused(f"{what} has {len(folders)} models in folders; choose one by a pattern: {_few(offered)}")
    return next(iter(folders.values()))


def _beside(listed: Sequence[ListedFile], weights: Iterable[ListedFile]) -> set[ListedFile]:
    """Return configuration, tokenizer, templates, processors and code: at the root and in the weights' folders.

    Where folders are parts of the model, from all of them.
    """
    stems = {_stem(file.path) for file in weights}
    if not stems:
        return set()
    folders = {"", *(_folder(stem) for stem in stems)}
    has_components = any(file.path in (_PIPELINE, _MODULES) for file in listed)
    return {
        file
        for file in listed
        if (has_components or _folder(file.path) in folders)
        and not _OTHER_COPIES.search(file.path)
        and (file.path.removesuffix(_INDEX) in stems if file.path.endswith(_INDEX) else _is_beside(file.path))
    }


def _is_beside(path: str) -> bool:
    return bool(_BESIDE.search(path)) and not _NOT_NEEDED.search(path)


def _indexes(listed: Iterable[ListedFile], pytorch: Iterable[ListedFile]) -> set[ListedFile]:
    folders = {_folder(file.path) for file in pytorch}
    return {file for file in listed if file.path.endswith(".bin.index.json") and _folder(file.path) in folders}


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _unless_nothing_is_left(files: Sequence[ListedFile], is_kept: Callable[[ListedFile], bool]) -> list[ListedFile]:
    return [file for file in files if is_kept(file)] or list(files)


def _stem(path: str) -> str:
    """Return the path without its ending and without which part it is."""
    return re.sub(r"(-\d{5}-of-\d{5})?\.[a-z]+$", "", path)


def _ending(path: str) -> str:
    name = path.rpartition("/")[2]
    return f"*.{name.rpartition('.')[2]}" if "." in name.strip(".") else name


def _choice(models: Sequence[Quantisation], what: str) -> str:
    def words(one: Quantisation) -> str:
        parts = f", {len(one.files)} parts" if len(one.files) > 1 else ""
        return f"{one.pattern} ({size_in_words(one.size)}{parts})"

    return f"{what} has {len(models)} GGUF models; choose one by a pattern: {_few([words(one) for one in models])}"


def _nothing(pattern: str, listed: Sequence[ListedFile], what: str) -> str:
    close = _close(pattern, [file.path for file in listed])
    hint = f"close to it: {', '.join(close)}" if close else f"it has {_few([f.path for f in listed]) or 'no files'}"
    return f"no file of {what} matches the pattern {pattern}; {hint}"


def _close(pattern: str, paths: Sequence[str]) -> list[str]:
    """Return the paths that have most of the pattern's text in one piece, whatever the case."""
    text = max(re.split(r"[*?\[\]]+", pattern.lower()), key=len)
    scored = []
    for path in paths:
        lower = path.lower()
        shared = SequenceMatcher(None, lower, text, autojunk=False).find_longest_match(0, len(lower), 0, len(text)).size
        scored.append((shared, path))
    best = sorted((-shared, path) for shared, path in scored if shared >= max(3, 0.6 * len(text)))
    return [path for _, path in best[:_MOST_CLOSE]]


def _few(words: Sequence[str]) -> str:
    more = f" and {len(words) - _MOST_SHOWN} more" if len(words) > _MOST_SHOWN else ""
    return ", ".join(words[:_MOST_SHOWN]) + more
