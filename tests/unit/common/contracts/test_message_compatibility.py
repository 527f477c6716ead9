"""Old readers survive newer writers: unknown fields are ignored, unknown enum values become UNKNOWN."""

import json
from typing import Any

import msgspec
import pytest

from roundhouse_common.bus.codec import Undecodable, decode, encode
from roundhouse_common.contracts.base import Message
from roundhouse_common.contracts.generate.asyncapi import asyncapi_document
from roundhouse_common.contracts.node import ObservedPhase, ReplicaReport
from roundhouse_common.contracts.operations import DeadLetter
from roundhouse_common.contracts.usage import Outcome, UsageRecord
from tests.support.samples import sample

# Any below: messages as plain JSON values.


def all_messages() -> list[type[Message]]:
    def below(parent: type[Message]) -> list[type[Message]]:
        return [found for child in parent.__subclasses__() for found in (child, *below(child))]

    found = [message for message in below(Message) if message.__module__.startswith("roundhouse_common.contracts")]
    return sorted(found, key=lambda message: message.__name__)


def altered(value: Any) -> Any:
    """Return a message as a newer writer would send it: with one more field in every object that has fields."""
    if isinstance(value, dict) and value.keys() != {"x"}:
        return {**{name: altered(item) for name, item in value.items()}, "field_of_next_year": {"a": 1}}
    return [altered(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("message", all_messages(), ids=lambda message: message.__name__)
def test_every_message_survives_the_way_there_and_back(message: type[Message]) -> None:
    value = sample(message)

    assert decode(message, encode(value)) == value


@pytest.mark.parametrize("message", all_messages(), ids=lambda message: message.__name__)
def test_unknown_fields_are_ignored_at_every_depth(message: type[Message]) -> None:
    value = sample(message)
    newer = json.dumps(altered(json.loads(encode(value)))).encode()

    assert decode(message, newer) == value


def test_unknown_enum_values_are_read_as_unknown() -> None:
    usage = json.loads(encode(sample(UsageRecord)))
    report = json.loads(encode(sample(ReplicaReport)))

    assert decode(UsageRecord, json.dumps({**usage, "outcome": "teleported"}).encode()).outcome is Outcome.UNKNOWN
    assert decode(ReplicaReport, json.dumps({**report, "phase": "x"}).encode()).phase is ObservedPhase.UNKNOWN


@pytest.mark.parametrize("message", all_messages(), ids=lambda message: message.__name__)
def test_fields_with_defaults_may_be_missing(message: type[Message]) -> None:
    value = json.loads(encode(sample(message)))
    optional = {field.name for field in msgspec.structs.fields(message) if not field.required}
    older = json.dumps({name: item for name, item in value.items() if name not in optional}).encode()

    decode(message, older)


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b"null", b'{"letter_id": 1}', b"\xff"])
def test_what_is_no_message_is_told_with_its_type(payload: bytes) -> None:
    with pytest.raises(Undecodable, match="not a DeadLetter"):
        decode(DeadLetter, payload)


def test_payloads_travel_as_they_were() -> None:
    letter = sample(DeadLetter)
    binary = msgspec.structs.replace(letter, payload=bytes(range(256)))

    assert decode(DeadLetter, encode(binary)).payload == bytes(range(256))


def test_every_travelling_message_is_described() -> None:
    described = asyncapi_document()["components"]["schemas"]

    assert {message.__name__ for message in all_messages()} - set(described) <= {"Ask"}
