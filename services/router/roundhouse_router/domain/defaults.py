"""What a model's owner set for its callers, as members that are added to a request which does not say otherwise."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from roundhouse_common.contracts.catalog import EngineKind, ModelDefaults
from roundhouse_common.contracts.usage import Operation
from roundhouse_router.domain.features import GENERATING
from roundhouse_router.domain.members import Members

__all__ = ["NOTHING_ADDED", "added_by"]

NOTHING_ADDED: Final[Mapping[str, bytes]] = MappingProxyType({})

_SPELLINGS: Final = (("max_tokens", "max_completion_tokens"), ("repetition_penalty", "repeat_penalty"))
"""Names of one parameter, the one that most engines know first."""
_ALL_SPELLINGS: Final = {name: names for names in _SPELLINGS for name in names}
_LLAMA_NAMES: Final = {"repetition_penalty": "repeat_penalty"}
_ENGINE_NAMES: Final = {EngineKind.LLAMA_CPP: _LLAMA_NAMES, EngineKind.LLAMA_SERVER: _LLAMA_NAMES}
_TRANSFORMERS_KNOWS: Final = frozenset(
    {"temperature", "top_p", "max_tokens", "stop", "seed", "frequency_penalty", "presence_penalty"}
)
"""`transformers serve` refuses a request with any name that OpenAI does not have."""
_INSTRUCTING: Final = frozenset({"system", "developer"})


class _Message(msgspec.Struct):
    role: str | None = None


_messages: Final = msgspec.json.Decoder(list[_Message])


def added_by(
    defaults: ModelDefaults, members: Members, operation: Operation, engine: EngineKind
) -> Mapping[str, bytes]:
    """Return the members to add to a request, or to put in the place of its own, as JSON.

    A member that is null says nothing. A name that the engine is known to refuse is left out.
    """
    if operation not in GENERATING:
        return NOTHING_ADDED
    added = _parameters(defaults, members, engine)
    if operation is Operation.CHAT and defaults.system_message and "messages" in members:
        messages = _with_system_message(bytes(members["messages"]), defaults.system_message)
        if messages is not None:
            added["messages"] = messages
    return added


def _parameters(defaults: ModelDefaults, members: Members, engine: EngineKind) -> dict[str, bytes]:
    added: dict[str, bytes] = {}
    for name, value in defaults.parameters.items():
        spellings = _ALL_SPELLINGS.get(name, (name,))
        known = spellings[0]
        if any(one in members and bytes(members[one]) != b"null" for one in spellings):
            continue
        if engine is EngineKind.TRANSFORMERS and known not in _TRANSFORMERS_KNOWS:
            continue
        added[_ENGINE_NAMES.get(engine, {}).get(known, known)] = msgspec.json.encode(value)
    return added


def _with_system_message(messages: bytes, text: str) -> bytes | None:
    """Return the messages with one more before them; None if they have one, or are none: the engine judges those."""
    try:
        found = _messages.decode(messages)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not found or any(message.role in _INSTRUCTING for message in found):
        return None
    return b'[{"role":"system","content":' + msgspec.json.encode(text) + b"}," + messages.lstrip()[1:]
