"""The generated files in the repository are those that the registry makes now, and they are valid."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, validate

from roundhouse_common.bus.codec import encode
from roundhouse_common.contracts.base import Event, Rpc, Service
from roundhouse_common.contracts.generate.asyncapi import asyncapi_document
from roundhouse_common.contracts.generate.documents import documents
from roundhouse_common.contracts.generate.permissions import inbox_prefix, permissions_of
from roundhouse_common.contracts.generate.streams import provisioned_by, stream_configs
from roundhouse_common.contracts.registry import CONTRACTS
from tests.support.samples import sample

ROOT = Path(__file__).resolve().parents[4]

# Any below: JSON documents.
ASYNCAPI_3 = {
    "type": "object",
    "required": ["asyncapi", "info", "channels", "operations", "components"],
    "properties": {
        "asyncapi": {"const": "3.0.0"},
        "info": {"type": "object", "required": ["title", "version"]},
        "servers": {"additionalProperties": {"type": "object", "required": ["host", "protocol"]}},
        "channels": {
            "additionalProperties": {
                "type": "object",
                "required": ["address", "messages"],
                "properties": {"address": {"type": ["string", "null"]}, "messages": {"type": "object"}},
            }
        },
        "operations": {
            "additionalProperties": {
                "type": "object",
                "required": ["action", "channel"],
                "properties": {
                    "action": {"enum": ["send", "receive"]},
                    "channel": {"type": "object", "required": ["$ref"]},
                    "reply": {"type": "object", "required": ["channel"]},
                },
            }
        },
        "components": {"type": "object", "required": ["messages", "schemas"]},
    },
}


@pytest.mark.parametrize("name", sorted(documents()))
def test_a_generated_file_is_up_to_date(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8") == documents()[name], "run scripts/contracts and read the diff"


def test_the_document_has_the_shape_of_asyncapi_3() -> None:
    validate(asyncapi_document(), ASYNCAPI_3)


def test_every_reference_of_the_document_leads_somewhere() -> None:
    document = asyncapi_document()
    references = list(_references(document))

    assert len(references) > 100
    for reference in references:
        found: Any = document
        for part in reference.removeprefix("#/").split("/"):
            assert part in found, reference
            found = found[part]


def test_every_schema_is_valid_and_describes_what_is_sent() -> None:
    document = asyncapi_document()
    for contract in CONTRACTS:
        messages = [contract.request, contract.reply] if isinstance(contract, Rpc) else [contract.message]  # type: ignore[attr-defined]  # every other kind has one
        for message in messages:
            schema = {"$ref": f"#/components/schemas/{message.__name__}", "components": document["components"]}
            Draft202012Validator.check_schema(document["components"]["schemas"][message.__name__])
            validate(_as_json(message), schema)


def test_parameters_of_an_address_are_declared() -> None:
    for name, channel in asyncapi_document()["channels"].items():
        address = channel["address"] or ""
        assert {part[1:-1] for part in address.split(".") if part.startswith("{")} == set(
            channel.get("parameters", {})
        ), name


def test_every_stream_is_provisioned_by_a_service_with_sql_or_a_spool() -> None:
    for config in stream_configs():
        assert config.provisioners, config.name
        assert Service.NODE_AGENT not in config.provisioners, "a node may not create what others read"
    provisioned = {config.name for service in Service for config in provisioned_by(service)}
    assert provisioned == {config.name for config in stream_configs()}


def test_every_event_is_stored_by_exactly_one_stream() -> None:
    for event in (contract for contract in CONTRACTS if isinstance(contract, Event)):
        storing = [config.name for config in stream_configs() if f"{event.subject}.>" in config.subjects]
        assert storing == [event.stream.name]


def test_no_permission_is_a_wildcard_over_kinds_or_services() -> None:
    for service in Service:
        permissions = permissions_of(service, "nod_a" if service is Service.NODE_AGENT else "")
        for subject in (*permissions.publish, *permissions.subscribe):
            head = subject.split(".")[:4] if subject.startswith("rh.") else subject.split(".")[:2]
            assert not {"*", ">"} & set(head), f"{service.value}: {subject}"


def test_the_permissions_of_two_nodes_have_nothing_in_common() -> None:
    first, second = permissions_of(Service.NODE_AGENT, "nod_a"), permissions_of(Service.NODE_AGENT, "nod_b")

    assert not set(first.publish) & set(second.publish)
    assert not set(first.subscribe) & set(second.subscribe)


def test_a_node_id_cannot_widen_permissions() -> None:
    for bad in ("*", ">", "a.b", "a.>", ""):
        with pytest.raises(ValueError, match=r"node id|part of a subject"):
            permissions_of(Service.NODE_AGENT, bad)


def test_inboxes_of_services_are_apart() -> None:
    prefixes = [inbox_prefix(service, "nod_a" if service is Service.NODE_AGENT else "") for service in Service]

    assert len(set(prefixes)) == len(Service)
    assert not [(a, b) for a in prefixes for b in prefixes if b.startswith(f"{a}.")]


def _references(value: Any) -> Any:
    if isinstance(value, dict):
        for name, item in value.items():
            if name == "$ref":
                yield item
            else:
                yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)


def _as_json(message: Any) -> Any:
    return json.loads(encode(sample(message)))
