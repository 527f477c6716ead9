"""Who may do what with a contract, checked before anything is sent.

The server enforces the same by permissions, but tells of a violation only asynchronously: the call would just time
out. Here it is a clear error, on the memory bus too. A violation is a defect in the caller.
"""

from typing import Any

from roundhouse_common.contracts.base import Bucket, Contract, Event, Rpc, Service
from roundhouse_common.errors import Forbidden

__all__ = ["Access"]

# Any below: whatever the message type of the contract is.


class Access:
    """The rights of one service; a node agent with a node id has only that node's."""

    def __init__(self, service: Service, node_id: str) -> None:
        self._service = service
        self._node_id = node_id if service is Service.NODE_AGENT else ""

    def must_own(self, contract: Contract, ids: tuple[str, ...]) -> None:
        """Only the owner publishes."""
        self._require(self._service is contract.owner, "publish", contract)
        self._must_be_own_node(contract, ids)

    def must_read(self, contract: Contract) -> None:
        """Only the readers subscribe."""
        self._require(self._service in contract.readers, "subscribe to", contract)

    def must_ask(self, contract: Rpc[Any, Any], ids: tuple[str, ...]) -> None:
        """Only the readers ask."""
        self._require(self._service in contract.readers, "ask", contract)
        self._must_be_own_node(contract, ids)

    def must_serve(self, contract: Rpc[Any, Any], ids: tuple[str, ...]) -> None:
        """Only the owner answers."""
        self._require(self._service is contract.owner, "answer", contract)
        self._must_be_own_node(contract, ids)

    def must_consume(self, contract: Event[Any], durable: str) -> None:
        """Only a reader consumes, by the names that the registry gives it."""
        self._require(self._service in contract.readers, "consume", contract)
        own = [name for name in contract.durables if name.startswith(f"{self._service.value}-")]
        if durable not in own:
            raise Forbidden(f"{durable!r} is no durable of {contract.subject} for {self._service.value}; it has {own}")

    def must_write_key(self, bucket: Bucket[Any], key: str) -> None:
        """Only the owner writes."""
        self._require(self._service is bucket.owner, "write", bucket)
        self._must_be_own_node(bucket, (key,))

    def must_read_key(self, bucket: Bucket[Any], key: str | None) -> None:
        """The owner, the readers and the provisioners read; without a key, the whole bucket."""
        allowed = {bucket.owner, *bucket.readers, *bucket.provisioners}
        self._require(self._service in allowed, "read", bucket)
        self._must_be_own_node(bucket, (key or "*",))

    def _must_be_own_node(self, contract: Contract, ids: tuple[str, ...]) -> None:
        if self._node_id and (not ids or ids[0] != self._node_id):
            raise Forbidden(f"node {self._node_id} may use {contract.subject} only for itself, not for {ids!r}")

    def _require(self, is_allowed: bool, verb: str, contract: Contract) -> None:
        if not is_allowed:
            raise Forbidden(f"{self._service.value} may not {verb} {contract.subject}: see contracts/registry.py")
