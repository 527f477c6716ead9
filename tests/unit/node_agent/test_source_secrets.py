"""Tokens come from files that nobody else can read, and go to the addresses they were made for."""

from pathlib import Path

import pytest

from roundhouse_node_agent.sources.secrets import read_token, token_for, tokens_by_address
from roundhouse_node_agent.sources.source import SourceRefused

_TOKENS = {"https://models.example.org/": "all", "https://models.example.org/team": "team", "http://plain:81/": "plain"}


def _file(tmp_path: Path, text: str, mode: int = 0o600) -> str:
    file = tmp_path / "tokens"
    file.write_text(text)
    file.chmod(mode)
    return str(file)


def test_a_token_is_read_without_what_surrounds_it(tmp_path: Path) -> None:
    assert read_token(_file(tmp_path, " hf_x\n")) == "hf_x"
    assert read_token("") == ""
    assert tokens_by_address("") == {}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    file = _file(tmp_path, "hf_x", mode)
    with pytest.raises(SourceRefused) as refused:
        read_token(file)
    assert refused.value.message == f"others may read the secrets in {file} (mode {mode:o}); do: chmod 600 {file}"


def test_a_file_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceRefused, match="holds more than one word"):
        read_token(_file(tmp_path, "Bearer hf_x"))
    with pytest.raises(SourceRefused, match="cannot be read: No such file"):
        read_token(str(tmp_path / "none"))
    with pytest.raises(SourceRefused, match="is not of the form"):
        tokens_by_address(_file(tmp_path, "hf_x"))
    with pytest.raises(SourceRefused, match=r"'models\.example\.org' does not begin like an address"):
        tokens_by_address(_file(tmp_path, '{"models.example.org": "x"}'))
    with pytest.raises(SourceRefused, match="which is too much"):
        read_token(_file(tmp_path, "x" * 300_000))


@pytest.mark.parametrize(
    ("url", "token"),
    [
        ("https://models.example.org/a.gguf", "all"),
        ("https://models.example.org/team/a.gguf", "team"),
        ("https://models.example.org/team?x=1", "team"),
        ("https://models.example.org/teammates/a.gguf", "all"),
        ("https://MODELS.example.org/team/a.gguf", "team"),
        ("http://models.example.org/a.gguf", ""),
        ("https://models.example.org.evil.example/a.gguf", ""),
        ("https://models.example.org:8443/a.gguf", ""),
        ("https://models.example.org@evil.example/a.gguf", ""),
        ("http://plain:81/x", "plain"),
        ("http://plain/x", ""),
    ],
)
def test_the_longest_beginning_counts_and_a_host_is_compared_whole(url: str, token: str) -> None:
    assert token_for(_TOKENS, url) == token
