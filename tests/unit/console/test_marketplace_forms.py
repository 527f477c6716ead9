"""From what people type about a model to what the catalog takes, and programs that call models."""

import ast
import json
import re
import shlex

import pytest

from roundhouse_console.domain.adding import changes_of, model_body, parameters_lines, same_upload
from roundhouse_console.domain.examples import LANGUAGES, example
from roundhouse_console.domain.models import KINDS
from roundhouse_console.domain.words import translated

ODD = 'it\'s "odd"\n$(rm) `x` </script>'


def words(text: str, **values: object) -> str:
    return translated(text, "en", {}, **values)


def test_what_was_left_empty_is_left_out_and_a_name_is_made() -> None:
    assert model_body(
        "hugging-face", {"uri": " Qwen/Qwen3-0.6B ", "patterns": "*Q4*.gguf, *.json", "kind": "chat"}
    ) == {
        "name": "Qwen3-0.6B",
        "kind": "chat",
        "source": {"kind": "hugging-face", "uri": "Qwen/Qwen3-0.6B", "patterns": ["*Q4*.gguf", "*.json"]},
    }
    named = model_body("path", {"uri": "/models/a.gguf", "name": "A", "tags": "x, y x", "context_length": "4096"})
    assert named == {
        "name": "A", "kind": "chat", "source": {"kind": "path", "uri": "/models/a.gguf"}, "tags": ["x", "y"],
        "context_length": 4096,
    }  # fmt: skip


def test_an_upload_goes_on_only_when_all_its_files_are_the_same() -> None:
    files = [{"path": "a", "size": 1, "sha256": "1"}, {"path": "b", "size": 2, "sha256": "2"}]
    begun = {"id": "upl_1", "files": [{**one, "offset": 0} for one in reversed(files)]}
    assert same_upload([begun], files) is begun
    assert same_upload([begun], [files[0], {**files[1], "sha256": "3"}]) is None
    assert same_upload([begun], files[:1]) is None


def test_changes_keep_parameters_and_stated_memory_as_they_were() -> None:
    parameters = {"temperature": 0.2, "stop": ["###"], "note": "a=b"}
    typed = {
        "name": "a", "kind": "chat", "licence": "", "tags": "", "context_length": "", "memory_mib": "600",
        "known_memory_mib": "600", "system_message": "", "parameters": parameters_lines(parameters),
        "chat_template": "",
    }  # fmt: skip
    body = changes_of(typed, words)
    assert body["defaults"]["parameters"] == parameters
    assert "memory_bytes" not in body
    assert changes_of({**typed, "memory_mib": "1"}, words)["memory_bytes"] == 2**20
    for wrong in ({"parameters": "temperature"}, {"context_length": "many"}):
        with pytest.raises(ValueError, match=r"NAME=VALUE|whole numbers"):
            changes_of({**typed, **wrong}, words)


@pytest.mark.contract("G06")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_examples_carry_odd_names_as_they_are(language: str, kind: str) -> None:
    """Names come from people: in a program they are text, and never more."""
    shown = example(language, kind=kind, name=ODD, router_url="http://router:8800/", key=f"secret of {ODD}")
    assert "http://router:8800/v1" in shown
    if language == "Python":
        tree = ast.parse(shown)
        assert ODD in {one.value for one in ast.walk(tree) if isinstance(one, ast.Constant)}
    elif language == "curl":
        parts = shlex.split(shown, comments=True)
        sent = [ODD] if f"model={ODD}" in parts else [json.loads(parts[-1])["model"]]
        assert sent == [ODD]
    else:
        assert json.dumps(ODD, ensure_ascii=False) in shown
        assert not re.search(r"^\s*\$\(rm\)", shown, re.MULTILINE)
