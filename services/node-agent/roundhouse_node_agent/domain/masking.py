"""A command as people may see it: of what is secret only the names."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

__all__ = ["MASK", "masked_environment", "masked_words"]

MASK: Final = "********"
_SECRET: Final = re.compile(r"(?:^|[-_])(?:key|token|secret|password|passwd|credentials?)$", re.IGNORECASE)
"""Last word of a name: `HF_TOKEN` and `--api-key` are secrets, `--max-num-batched-tokens` and `--tokenizer` are not."""


def masked_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables, the values of those that are named after secrets masked."""
    return {name: MASK if value and _is_secret(name) else value for name, value in variables.items()}


def masked_words(words: Sequence[str]) -> tuple[str, ...]:
    """Return arguments, the values of what is named after a secret masked: `--token X`, `--token=X`, `TOKEN=X`."""
    shown: list[str] = []
    follows = False
    for word in words:
        name, equals, value = word.partition("=")
        if equals and value and _is_secret(name):
            word = f"{name}={MASK}"
        elif follows and not word.startswith("-"):
            word = MASK
        shown.append(word)
        follows = word.startswith("-") and not equals and _is_secret(word)
    return tuple(shown)


def _is_secret(name: str) -> bool:
    return _SECRET.search(name) is not None
