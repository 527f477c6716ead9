"""Which files of a repository are fetched: on listings in the shapes that real repositories have."""

from fnmatch import fnmatchcase

import pytest

from roundhouse_node_agent.sources.gguf_sets import quantisations, size_in_words
from roundhouse_node_agent.sources.patterns import ListedFile, select
from roundhouse_node_agent.sources.source import SourceRefused

_GB = 1_000_000_000


def _shards(stem: str, count: int, end: str = "safetensors") -> list[str]:
    return [f"{stem}-{number:05d}-of-{count:05d}.{end}" for number in range(1, count + 1)]


_TEXT = ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"]
_INDEX = "model.safetensors.index.json"
_LEFT = [".gitattributes", "README.md", "LICENSE", "USE_POLICY.md"]

BY_ITSELF = {
    "llama: sharded, with the original beside it": (
        [*_TEXT, *_shards("model", 4), _INDEX],
        [*_LEFT, "original/consolidated.00.pth", "original/params.json", "original/tokenizer.model"],
    ),
    "mistral: a consolidated copy at the root": (
        [*_TEXT, *_shards("model", 3), _INDEX, "params.json", "tokenizer.model", "tokenizer.model.v3"],
        ["consolidated.safetensors", "README.md"],
    ),
    "mistral: only consolidated": (
        ["consolidated.safetensors", "params.json", "tekken.json", "config.json"],
        ["README.md", "SYSTEM_PROMPT.md"],
    ),
    "gpt-oss: the same in two further formats": (
        [*_TEXT, "chat_template.jinja", *_shards("model", 3), _INDEX],
        ["metal/model.bin", "original/config.json", *_shards("original/model", 7), "original/dtypes.json"],
    ),
    "deepseek: many shards, own code, an inference folder": (
        [*_TEXT, *_shards("model", 163), _INDEX, "configuration_deepseek.py", "modeling_deepseek.py"],
        ["inference/model.py", "inference/configs/config_671B.json", "figures/niah.png", "LICENSE-CODE"],
    ),
    "bert: one model in six formats": (
        ["config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt", "model.safetensors"],
        [
            "pytorch_model.bin",
            "tf_model.h5",
            "flax_model.msgpack",
            "rust_model.ot",
            "model.onnx",
            "coreml/fill-mask/float32_model.mlpackage/Data/com.apple.CoreML/weights/weight.bin",
        ],
    ),
    "gpt2: onnx in a folder, tflite at the root": (
        ["config.json", "merges.txt", "vocab.json", "tokenizer.json", "model.safetensors"],
        ["64.tflite", "onnx/config.json", "onnx/decoder_model.onnx", "onnx/merges.txt", "pytorch_model.bin"],
    ),
    "sentence-transformers: modules in folders": (
        [
            "config.json",
            "modules.json",
            "1_Pooling/config.json",
            "2_Dense/config.json",
            "2_Dense/model.safetensors",
            "sentence_bert_config.json",
            "config_sentence_transformers.json",
            "vocab.txt",
            "tokenizer.json",
            "model.safetensors",
        ],
        ["pytorch_model.bin", "2_Dense/pytorch_model.bin", "onnx/model_O4.onnx", "openvino/openvino_model.xml"],
    ),
    "diffusers: parts in folders, half precision and one file besides": (
        [
            "model_index.json",
            "scheduler/scheduler_config.json",
            "text_encoder/config.json",
            "text_encoder/model.safetensors",
            "tokenizer/merges.txt",
            "tokenizer/vocab.json",
            "unet/config.json",
            "unet/diffusion_pytorch_model.safetensors",
        ],
        [
            "sd_xl_base_1.0.safetensors",
            "text_encoder/model.fp16.safetensors",
            "text_encoder/model.onnx",
            "unet/diffusion_pytorch_model.fp16.safetensors",
            "unet/diffusion_pytorch_model.bin",
        ],
    ),
    "one file beside its own parts": (
        ["config.json", *_shards("model", 2), _INDEX],
        ["model.safetensors", "pytorch_model.bin.index.json", *_shards("pytorch_model", 2, "bin")],
    ),
    "only PyTorch's own format": (
        ["config.json", "vocab.txt", "pytorch_model.bin.index.json", *_shards("pytorch_model", 2, "bin")],
        ["tf_model.h5", "training_args.bin", "optimizer.pt", "README.md", "trainer_state.json"],
    ),
    "leavings of a training": (
        ["config.json", "model.safetensors", "tokenizer.json"],
        [
            "checkpoint-500/model.safetensors",
            "checkpoint-500/config.json",
            "trainer_state.json",
            "all_results.json",
            "runs/Jan01/events.out.tfevents.1",
            "training_args.bin",
        ],
    ),
    "one GGUF model, its projector and what it was made with": (
        ["gemma-3-4b-it-Q4_K_M.gguf"],
        ["mmproj-F16.gguf", "imatrix.gguf", "config.json", "README.md"],
    ),
    "one GGUF model in parts, in a folder": (_shards("Q8_0/R1-Q8_0", 5, "gguf"), ["README.md", "config.json"]),
    "safetensors and GGUF together": (
        ["config.json", "tokenizer.json", "model.safetensors"],
        ["model-q4_k_m.gguf", "gguf/model-q8_0.gguf"],
    ),
    "an adapter": (
        ["adapter_config.json", "adapter_model.safetensors", "tokenizer.json"],
        ["adapter_model.bin", "README.md"],
    ),
}

_GGUF = [f"Qwen3-8B-{kind}.gguf" for kind in ("Q2_K", "Q4_K", "Q4_K_M", "Q8_0", "BF16", "UD-Q4_K_M")]
_LARGE = [*_shards("Q8_0/R1-Q8_0", 15, "gguf"), *_shards("Q4_K_M/R1-Q4_K_M", 9, "gguf")]

BY_PATTERN = {
    "one quantisation": (("*-8B-Q4_K_M.gguf",), ["Qwen3-8B-Q4_K_M.gguf"], _GGUF),
    "all parts of the file one of whose parts matches": (
        ("*Q4_K_M-00001*",),
        _shards("Q4_K_M/R1-Q4_K_M", 9, "gguf"),
        _LARGE,
    ),
    "a folder": (("Q8_0/",), _shards("Q8_0/R1-Q8_0", 15, "gguf"), _LARGE),
    "a model and its projector": (
        ("*Q8_0.gguf", "mmproj*"),
        ["Qwen3-8B-Q8_0.gguf", "mmproj-F16.gguf"],
        [*_GGUF, "mmproj-F16.gguf"],
    ),
    "safetensors, with what an engine needs beside them": (
        ("model*.safetensors",),
        [*_TEXT, *_shards("model", 2), _INDEX],
        [*_TEXT, *_shards("model", 2), _INDEX, "consolidated.safetensors", "README.md", "pytorch_model.bin"],
    ),
    "one variant of the weights": (
        ("*.fp16.safetensors",),
        ["config.json", "model.fp16.safetensors"],
        ["config.json", "model.fp16.safetensors", "model.safetensors", _INDEX],
    ),
    "nothing but what matches": (("*.onnx",), ["onnx/model.onnx"], ["config.json", "onnx/model.onnx"]),
}


def _chosen(paths: list[str], *patterns: str) -> list[str]:
    listed = [ListedFile(path, _GB) for path in paths]
    return [file.path for file in select(listed, patterns, what="owner/name")]


@pytest.mark.parametrize("shape", BY_ITSELF)
def test_without_patterns_one_copy_of_the_weights_is_taken_and_what_it_needs(shape: str) -> None:
    taken, left = BY_ITSELF[shape]
    assert _chosen([*left, *taken]) == sorted(taken)


@pytest.mark.contract("A25")
@pytest.mark.parametrize("case", BY_PATTERN)
def test_with_patterns_what_matches_is_taken(case: str) -> None:
    patterns, taken, listed = BY_PATTERN[case]
    assert _chosen(listed, *patterns) == sorted(taken)


def test_among_several_gguf_models_somebody_has_to_choose() -> None:
    with pytest.raises(SourceRefused) as refused:
        _chosen([*_GGUF[:3], "README.md"])
    assert not refused.value.is_retryable
    assert refused.value.message == (
        "owner/name has 3 GGUF models; choose one by a pattern: "
        "*Q2_K.gguf (1.0 GB), *Q4_K.gguf (1.0 GB), *Q4_K_M.gguf (1.0 GB)"
    )
    with pytest.raises(SourceRefused, match=r"\*Q4_K_M-\*\.gguf \(9\.0 GB, 9 parts\), \*Q8_0-\*\.gguf \(15\.0 GB, 15"):
        _chosen(_LARGE)


@pytest.mark.parametrize("listed", [_GGUF, _LARGE, ["a/model.gguf", "b/model.gguf"], ["Q4_0.gguf", "Q8_0.gguf"]])
def test_each_offered_pattern_means_exactly_one_model(listed: list[str]) -> None:
    for model in quantisations([ListedFile(path, 1) for path in listed]):
        assert {path for path in listed if fnmatchcase(path, model.pattern)} == {file.path for file in model.files} or (
            len(model.files) > 1 and model.pattern == model.files[0].path
        )
        assert _chosen(listed, model.pattern) == sorted(file.path for file in model.files)


def test_a_pattern_that_matches_nothing_is_refused_with_close_names() -> None:
    with pytest.raises(SourceRefused) as refused:
        _chosen(_GGUF, "*q4_k_m.gguf")
    assert refused.value.message.startswith(
        "no file of owner/name matches the pattern *q4_k_m.gguf; close to it: Qwen3-8B-Q4_K_M.gguf"
    )
    with pytest.raises(SourceRefused, match=r"matches the pattern zzzzzz; it has Qwen3-8B-Q2_K\.gguf, Qwen3-8B-Q4_K"):
        _chosen(_GGUF, "*Q8_0.gguf", "zzzzzz")
    with pytest.raises(SourceRefused, match="it has no files"):
        _chosen([], "*.gguf")


def test_a_file_that_lacks_a_part_is_refused() -> None:
    with pytest.raises(SourceRefused, match=r"owner/name lacks R1-00002-of-00003\.gguf of the 3 parts of R1-0000"):
        _chosen(["R1-00001-of-00003.gguf", "R1-00003-of-00003.gguf"], "R1*")


def test_models_in_several_folders_have_to_be_chosen_from() -> None:
    with pytest.raises(SourceRefused) as refused:
        _chosen(["4bit/config.json", "4bit/model.safetensors", "8bit/model.safetensors", "README.md"])
    assert refused.value.message == (
        "owner/name has 2 models in folders; choose one by a pattern: 4bit/ (1.0 GB), 8bit/ (1.0 GB)"
    )
    assert _chosen(["4bit/config.json", "4bit/model.safetensors", "8bit/model.safetensors"], "4bit/") == [
        "4bit/config.json",
        "4bit/model.safetensors",
    ]


def test_a_repository_without_weights_says_what_it_has() -> None:
    with pytest.raises(
        SourceRefused, match=r"neither safetensors nor GGUF files; it has \*\.json, \*\.onnx, \*\.txt\."
    ):
        _chosen(["config.json", "vocab.txt", "onnx/model.onnx"])
    with pytest.raises(SourceRefused, match="it has no files"):
        _chosen([])


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (491_400_032, "491 MB"), (4_920_000_000, "4.9 GB"), (-1, "0 B")],
)
def test_sizes_are_said_as_people_do(size: int, words: str) -> None:
    assert size_in_words(size) == words
