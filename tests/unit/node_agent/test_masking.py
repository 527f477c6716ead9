"""Of secrets in a command only the names are shown, and nothing else is hidden."""

import pytest

from roundhouse_node_agent.domain.masking import MASK, masked_environment, masked_words


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["serve", "--api-key", "abc"], ("serve", "--api-key", MASK)),
        (["--hf-token=abc", "x"], (f"--hf-token={MASK}", "x")),
        (["OPENAI_API_KEY=abc", "run"], (f"OPENAI_API_KEY={MASK}", "run")),
        (["--password", "--verbose"], ("--password", "--verbose")),
        (["--max-num-batched-tokens", "2048"], ("--max-num-batched-tokens", "2048")),
        (["--tokenizer", "a", "--token", "b"], ("--tokenizer", "a", "--token", MASK)),
        (["--kv-transfer-config", '{"key": "v"}'], ("--kv-transfer-config", '{"key": "v"}')),
        (["--empty-secret=", "x"], ("--empty-secret=", "x")),
    ],
)
def test_values_after_names_of_secrets_are_masked(words: list[str], shown: tuple[str, ...]) -> None:
    assert masked_words(words) == shown


def test_variables_are_told_by_name() -> None:
    given = {"HF_TOKEN": "abc", "VLLM_API_KEY": "abc", "aws_secret": "abc", "TOKENIZERS_PARALLELISM": "0", "DB_KEY": ""}
    assert masked_environment(given) == {
        "HF_TOKEN": MASK,
        "VLLM_API_KEY": MASK,
        "aws_secret": MASK,
        "TOKENIZERS_PARALLELISM": "0",
        "DB_KEY": "",
    }
