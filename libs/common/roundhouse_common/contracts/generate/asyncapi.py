"""The AsyncAPI 3 document of everything on the bus, for people and tools outside."""

from typing import Any

import msgspec

from roundhouse_common.contracts.base import Bucket, Contract, Event, Rpc, Service, Signal
from roundhouse_common.contracts.finance import RESERVED_TYPES
from roundhouse_common.contracts.generate.subjects import bucket_subject, hint_subject, stream_name
from roundhouse_common.contracts.registry import CONTRACTS

__all__ = ["asyncapi_document"]

# Any below: JSON documents, and contracts of every message type.
_JSON = dict[str, Any]

_DESCRIPTION = (
    "Generated from libs/common/roundhouse_common/contracts/registry.py by scripts/contracts; do not edit. "
    "Within a major version fields are only added, with defaults; readers ignore unknown fields and read unknown "
    "enum values as `unknown`. Events carry the CloudEvents headers."
)


def asyncapi_document() -> _JSON:
    """Return the document as plain JSON values."""
    channels: _JSON = {}
    operations: _JSON = {}
    for contract in CONTRACTS:
        channels |= _channels(contract)
        operations |= _operations(contract)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Roundhouse bus", "version": "1.0.0", "description": _DESCRIPTION},
        "defaultContentType": "application/json",
        "servers": {
            "nats": {"host": "127.0.0.1:8805", "protocol": "nats", "description": "nats-server with JetStream"}
        },
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": {message.__name__: _message(message) for message in _messages()},
            "schemas": _schemas(),
            "messageTraits": {"event": {"headers": _EVENT_HEADERS}},
        },
    }


def _messages() -> list[type[Any]]:
    """Return every message type that travels by itself, or will, sorted by name."""
    found: set[type[Any]] = set(RESERVED_TYPES)
    for contract in CONTRACTS:
        found.update(_types_of(contract).values())
    return sorted(found, key=lambda message: message.__name__)


def _types_of(contract: Contract) -> dict[str, type[Any]]:
    """Return the channel suffixes of a contract with what travels there."""
    match contract:
        case Rpc():
            return {"": contract.request, ".reply": contract.reply}
        case Event() | Signal() | Bucket():
            return {"": contract.message}
        case _:
            raise TypeError(f"{type(contract).__name__} cannot be described")


def _channels(contract: Contract) -> _JSON:
    channels: _JSON = {}
    for suffix, message in _types_of(contract).items():
        channels[contract.subject + suffix] = {
            "address": None if suffix else _address(contract),
            "description": "The asker's inbox." if suffix else contract.doc,
            "messages": {message.__name__: {"$ref": f"#/components/messages/{message.__name__}"}},
            **({} if suffix else {"parameters": _parameters(contract)}),
            "x-roundhouse": _place(contract),
        }
    return channels


def _address(contract: Contract) -> str:
    if isinstance(contract, Bucket):
        return bucket_subject(contract, "*").replace("*", "{key}")
    return ".".join((contract.subject, *(f"{{{name}}}" for name in _parameters(contract))))


def _parameters(contract: Contract) -> _JSON:
    if isinstance(contract, Bucket):
        return {"key": {"description": "See the description of the channel."}}
    names = ["id"] if contract.id_tokens == 1 else [f"id{number + 1}" for number in range(contract.id_tokens)]
    return {name: {"description": "See the description of the channel."} for name in names}


def _place(contract: Contract) -> _JSON:
    """Return what AsyncAPI has no words for."""
    place: _JSON = {
        "kind": type(contract).__name__.lower(),
        "owner": contract.owner.value,
        "readers": [reader.value for reader in contract.readers],
    }
    match contract:
        case Bucket():
            place |= {"stream": stream_name(contract), "announcedOn": hint_subject(contract, "*")}
        case Event():
            place |= {"stream": stream_name(contract), "durables": list(contract.durables)}
        case Rpc():
            place |= {"everyInstanceAnswers": contract.is_broadcast}
    return place


def _operations(contract: Contract) -> _JSON:
    operations: _JSON = {}
    sender, receivers = _sides(contract)
    for service in sender:
        operations[f"{service.value}.send.{contract.subject}"] = _operation("send", service, contract)
    for service in receivers:
        operations[f"{service.value}.receive.{contract.subject}"] = _operation("receive", service, contract)
    return operations


def _sides(contract: Contract) -> tuple[tuple[Service, ...], tuple[Service, ...]]:
    """Return who sends and who receives: of a question, the readers send and the owner receives."""
    owner = (contract.owner,)
    return (contract.readers, owner) if isinstance(contract, Rpc) else (owner, contract.readers)


def _operation(action: str, service: Service, contract: Contract) -> _JSON:
    operation: _JSON = {
        "action": action,
        "channel": {"$ref": f"#/channels/{contract.subject}"},
        "tags": [{"name": service.value}],
    }
    if isinstance(contract, Rpc):
        operation["reply"] = {
            "address": {"location": "$message.header#/reply"},
            "channel": {"$ref": f"#/channels/{contract.subject}.reply"},
        }
    return operation


def _message(message: type[Any]) -> _JSON:
    described: _JSON = {
        "name": message.__name__,
        "summary": (message.__doc__ or message.__name__).strip().splitlines()[0],
        "contentType": "application/json",
        "payload": {"$ref": f"#/components/schemas/{message.__name__}"},
    }
    if message in RESERVED_TYPES:
        described["x-roundhouse"] = {"isReserved": True, "cloudEventType": RESERVED_TYPES[message]}
    if any(isinstance(contract, Event) and contract.message is message for contract in CONTRACTS):
        described["traits"] = [{"$ref": "#/components/messageTraits/event"}]
    return described


def _schemas() -> _JSON:
    _, components = msgspec.json.schema_components(_messages(), ref_template="#/components/schemas/{name}")
    return dict(sorted(components.items()))


_EVENT_HEADERS: _JSON = {
    "type": "object",
    "required": ["ce-id", "ce-source", "ce-type", "ce-time", "ce-specversion", "Nats-Msg-Id"],
    "properties": {
        "ce-id": {"type": "string", "description": "Unique per event; consumers deduplicate by it."},
        "ce-source": {"type": "string", "description": "roundhouse/<service>/<instance>"},
        "ce-type": {"type": "string", "description": "The subject without identifiers."},
        "ce-time": {"type": "string", "format": "date-time"},
        "ce-specversion": {"type": "string", "const": "1.0"},
        "ce-dataschema": {"type": "string"},
        "traceparent": {"type": "string", "description": "W3C trace context."},
        "Nats-Msg-Id": {"type": "string", "description": "Equal to ce-id: the stream stores one message per id."},
    },
}
