"""What a translation asks for beyond OpenAI's API, and who refuses it."""

from typing import Final

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.contracts.routing import ProviderFormat
from roundhouse_router.domain.members import joined, split

__all__ = ["fitting"]

_TEMPLATE: Final = frozenset({"add_generation_prompt", "chat_template_kwargs", "continue_final_message"})
_SAMPLING: Final = frozenset(
    {
        "top_k",
        "min_p",
        "typical_p",
        "repeat_penalty",
        "repetition_penalty",
        "repeat_last_n",
        "mirostat",
        "mirostat_tau",
        "mirostat_eta",
    }
)
_REFUSED: Final = _TEMPLATE | _SAMPLING


def fitting(body: bytes, asked: bytes, engine: EngineKind, provider: ProviderFormat | None) -> bytes:
    """Return a translated body without the members that its upstream would refuse it for.

    `transformers serve` refuses every name that OpenAI does not have. Providers get what the client itself named
    (`asked` is its body), but none of what this router's translation adds for chat templates.
    """
    if engine is EngineKind.TRANSFORMERS:
        refused = _REFUSED
    elif provider is ProviderFormat.OPENAI:
        refused = frozenset(name for name in _TEMPLATE if f'"{name}"'.encode() not in asked)
    else:
        return body
    members = split(body)
    if refused.isdisjoint(members):
        return body
    return joined({name: value for name, value in members.items() if name not in refused})
