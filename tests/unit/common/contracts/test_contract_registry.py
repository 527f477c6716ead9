"""Rules that every contract keeps, so that subjects, permissions and documents can be derived from it."""

import re
from typing import Any

import pytest

from roundhouse_common.contracts import registry
from roundhouse_common.contracts.base import Bucket, Contract, Event, Message, OpenEnum, Rpc, Service, Signal
from roundhouse_common.contracts.registry import CONTRACTS, ROUTER_STATE, STREAMS

# Any below: contracts of every message type.
SUBJECT = re.compile(r"^rh\.(evt|use|rpc|hb|hint|log|dlq)\.v[1-9]\d*\.(?P<service>[a-z-]+)\.[a-z-]+\.[a-z-]+$")
KINDS_OF_EVENTS = ("evt", "use", "dlq")


def travelling(contract: Contract) -> list[type[Message]]:
    match contract:
        case Rpc():
            return [contract.request, contract.reply]
        case Event() | Signal() | Bucket():
            return [contract.message]
        case _:
            raise AssertionError(contract)


def open_enums() -> list[type[OpenEnum]]:
    return sorted(OpenEnum.__subclasses__(), key=lambda enum: enum.__name__)


def by_subject(contract: Any) -> str:
    return str(contract.subject)


@pytest.mark.parametrize("enum", open_enums(), ids=lambda enum: enum.__name__)
def test_every_open_enum_has_unknown(enum: type[OpenEnum]) -> None:
    assert "UNKNOWN" in enum.__members__
    assert enum("a value of next year") is enum.__members__["UNKNOWN"]


@pytest.mark.parametrize("contract", [one for one in CONTRACTS if not isinstance(one, Bucket)], ids=by_subject)
def test_subjects_say_kind_version_owner_entity_and_verb(contract: Contract) -> None:
    found = SUBJECT.match(contract.subject)

    assert found, "wanted rh.<kind>.v<major>.<service>.<entity>.<verb>"
    assert found["service"] == contract.owner.value
    assert (found[1] in KINDS_OF_EVENTS) == isinstance(contract, Event)
    assert (found[1] == "rpc") == isinstance(contract, Rpc)


def test_bucket_names_are_one_word() -> None:
    for contract in CONTRACTS:
        if isinstance(contract, Bucket):
            assert re.fullmatch(r"[a-z]+", contract.subject)


def test_no_two_contracts_share_a_subject() -> None:
    subjects = [contract.subject for contract in CONTRACTS]

    assert len(subjects) == len(set(subjects))
    assert not [(a, b) for a in subjects for b in subjects if b.startswith(f"{a}.")]


def test_every_contract_of_the_module_is_in_the_list() -> None:
    named = [value for value in vars(registry).values() if isinstance(value, Contract)]

    assert {contract.subject for contract in named} <= {contract.subject for contract in CONTRACTS}


@pytest.mark.parametrize("contract", CONTRACTS, ids=by_subject)
def test_every_contract_says_what_it_is_and_who_reads_it(contract: Contract) -> None:
    assert contract.doc.endswith(".")
    has_outside_readers = isinstance(contract, Event) and contract.stream.has_outside_readers
    assert contract.readers or has_outside_readers
    is_told_to_equals = isinstance(contract, Event) or contract is ROUTER_STATE
    assert is_told_to_equals or contract.owner not in contract.readers


@pytest.mark.parametrize("contract", CONTRACTS, ids=by_subject)
def test_messages_are_frozen_and_take_keywords_only(contract: Contract) -> None:
    for message in travelling(contract):
        config = message.__struct_config__
        assert config.frozen, message
        assert not config.forbid_unknown_fields, message
        if message.__struct_fields__:
            with pytest.raises(TypeError):
                message("positional")


@pytest.mark.parametrize("event", [one for one in CONTRACTS if isinstance(one, Event)], ids=by_subject)
def test_events_have_a_stream_and_consumers_named_after_their_readers(event: Event[Any]) -> None:
    assert event.stream in STREAMS
    readers = tuple(f"{reader.value}-" for reader in event.readers)
    assert all(durable.startswith(readers) for durable in event.durables)


def test_durable_names_are_used_once() -> None:
    durables = [durable for one in CONTRACTS if isinstance(one, Event) for durable in one.durables]

    assert len(durables) == len(set(durables))


def test_what_a_node_agent_owns_or_asks_begins_with_its_node_id() -> None:
    """Else the permissions of one node could not be told from those of another."""
    for contract in CONTRACTS:
        if Service.NODE_AGENT in (contract.owner, *contract.readers):
            assert "node id" in contract.doc, contract.subject
            assert not isinstance(contract, Event), contract.subject
