"""What each service may publish and subscribe to on NATS: exactly what the contracts and `bus/nats_wire.py` need.

A node agent is confined to its node: it cannot write another node's report, read another node's assignments, or speak
as another service. It may not create consumers either: the server would deliver to any subject that it named.
"""

from dataclasses import dataclass
from typing import Any

from roundhouse_common.contracts.base import Bucket, Contract, Event, Rpc, Service, Signal, Stream
from roundhouse_common.contracts.generate.streams import provisioned_by
from roundhouse_common.contracts.generate.subjects import (
    any_subject,
    stream_name,
    token,
)
from roundhouse_common.contracts.registry import CONTRACTS, DEAD_LETTERS

__all__ = [
    "NODE_ID",
    "Permissions",
    "inbox_prefix",
    "permissions_of",
    "reader_durable",
    "reader_inbox",
    "reader_permissions",
]

NODE_ID = "{node_id}"
"""Stands for the node id where the permissions of node agents are shown as a template."""

# Any below: whatever the message type of the contract is.


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """Subjects a user may publish to and subscribe to; everything else is denied."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    may_answer: bool
    """Whether it may answer questions, once each, on the reply subject that they carry."""


def inbox_prefix(service: Service, node_id: str = "") -> str:
    """Return below which prefix a service gets its replies; nobody else may listen there."""
    if service is Service.NODE_AGENT and node_id:
        return f"_INBOX.{service.value}.{node_id}"
    return f"_INBOX.{service.value}"


def reader_durable(name: str) -> str:
    """Return the name of the durable consumer that is made for a program outside."""
    return name if name == "*" else f"reader-{token(name)}"


def reader_permissions(stream: Stream, name: str) -> Permissions:
    """Return what a program outside may do: take from its own durable consumer of a stream, and acknowledge. Raises
    ValueError for a name that cannot be part of a subject."""
    consumer = f"{stream.name}.{reader_durable(name)}"
    return Permissions(
        publish=(
            f"$JS.ACK.{consumer}.>",
            f"$JS.API.CONSUMER.INFO.{consumer}",
            f"$JS.API.CONSUMER.MSG.NEXT.{consumer}",
        ),
        subscribe=(f"{reader_inbox(name)}.>",),
        may_answer=False,
    )


def reader_inbox(name: str) -> str:
    """Return below which prefix a program outside gets its replies."""
    return f"_INBOX.reader.{token(name)}"


def permissions_of(service: Service, node_id: str = "") -> Permissions:
    """Return the permissions of a service; of a node agent, those of one node."""
    if (service is Service.NODE_AGENT) != bool(node_id):
        raise ValueError("a node agent has permissions for one node: give its node id, and only then")
    if node_id and node_id != NODE_ID:
        token(node_id)
    publish: set[str] = set()
    subscribe = {f"{inbox_prefix(service, node_id)}.>"}
    for contract in CONTRACTS:
        published, subscribed = _of_contract(service, node_id, contract)
        publish.update(published)
        subscribe.update(subscribed)
    for config in provisioned_by(service):
        publish.update(f"$JS.API.STREAM.{verb}.{config.name}" for verb in ("CREATE", "UPDATE", "INFO"))
    return Permissions(
        publish=tuple(sorted(publish)),
        subscribe=tuple(sorted(subscribe)),
        may_answer=any(isinstance(contract, Rpc) and contract.owner is service for contract in CONTRACTS),
    )


def _of_contract(service: Service, node_id: str, contract: Contract) -> tuple[list[str], list[str]]:
    """Return what one contract lets a service publish and subscribe to."""
    is_owner, is_reader = contract.owner is service, service in contract.readers
    match contract:
        case Signal():
            own = [_own_subject(contract, node_id)] if is_owner else []
            return own, [any_subject(contract)] if is_reader else []
        case Rpc():
            asked = [_own_subject(contract, node_id)] if is_reader else []
            return asked, [_own_subject(contract, node_id)] if is_owner else []
        case Event():
            return _of_event(service, contract), []
        case Bucket():
            return _of_bucket(service, node_id, contract)
        case _:
            raise TypeError(f"no permissions are known for {type(contract).__name__}")


def _own_subject(contract: Contract, node_id: str) -> str:
    """Return the subjects of a contract: of a node agent those that begin with its node id."""
    if not node_id:
        return any_subject(contract)
    return ".".join((contract.subject, node_id, *["*"] * (contract.id_tokens - 1)))


def _of_event(service: Service, event: Event[Any]) -> list[str]:
    publish = []
    if event.owner is service:
        publish.append(any_subject(event))
        if event.stream.has_outside_readers:
            publish.append(f"$JS.API.CONSUMER.CREATE.{stream_name(event)}.{reader_durable('*')}")
    if service in (event.owner, *event.readers):
        publish.append(f"$JS.API.STREAM.INFO.{stream_name(event)}")
    for durable in event.durables:
        if durable.startswith(f"{service.value}-"):
            consumer = f"{stream_name(event)}.{durable}"
            publish += [
                f"$JS.API.CONSUMER.CREATE.{consumer}.{event.subject}.>",
                f"$JS.API.CONSUMER.MSG.NEXT.{consumer}",
                f"$JS.ACK.{consumer}.>",
            ]
    if event is DEAD_LETTERS.get(service):
        publish += [f"$JS.API.DIRECT.GET.{stream_name(event)}", f"$JS.API.STREAM.MSG.DELETE.{stream_name(event)}"]
    return publish


def _of_bucket(service: Service, node_id: str, bucket: Bucket[Any]) -> tuple[list[str], list[str]]:
    if service not in (bucket.owner, *bucket.readers, *bucket.provisioners):
        return [], []
    stream = stream_name(bucket)
    keys = node_id or ">"
    place = f"$KV.{bucket.subject}.{keys}"
    publish = [f"$JS.API.DIRECT.GET.{stream}.{place}"]
    if not node_id:
        publish.append(f"$JS.API.DIRECT.GET.{stream}")  # of the whole bucket, in batches
    if bucket.owner is service:
        publish.append(place)
    return publish, [f"rh.hint.v1.{bucket.owner.value}.{bucket.subject}.stored.{keys}"]
