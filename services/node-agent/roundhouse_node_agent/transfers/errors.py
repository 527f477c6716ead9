"""Errors of transfers and of the store.

ModelUnavailable
├── TransferFailed     the files could not be fetched
└── StoreBusy          another process works on the same model's files
"""

from roundhouse_node_agent.domain.errors import ModelUnavailable

__all__ = ["StoreBusy", "TransferFailed"]


class TransferFailed(ModelUnavailable):
    """The files could not be fetched. What was fetched so far stays for the next attempt."""

    code = "transfer_failed"

    def __init__(self, message: str, is_retryable: bool = False) -> None:
        super().__init__(message)
        self.is_retryable = is_retryable


class StoreBusy(ModelUnavailable):
    """Another process works on the same model's files; cancel its transfer first."""

    code = "store_busy"
    retryable = True
