"""The seam for remote sources of model files: one planner per kind, in `kinds.py`."""

from typing import Protocol

import msgspec

from roundhouse_common.contracts.catalog import ModelSource
from roundhouse_node_agent.domain.errors import ModelUnavailable
from roundhouse_node_agent.transfers.plan import FetchPlan

__all__ = ["FileSource", "SourceOptions", "SourceRefused"]


class SourceOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Where sources are reached, and which files hold their secrets. Proxies and authorities: from the environment."""

    hugging_face_endpoints: tuple[str, ...] = ()
    """Asked in order, mirrors first; empty: HF_ENDPOINT, else https://huggingface.co."""
    hugging_face_token_file: str = ""
    """Its token goes to every one of the endpoints. Empty: the Hub client's own, e.g. HF_TOKEN."""
    model_scope_endpoints: tuple[str, ...] = ()
    """Asked in order; empty: https://modelscope.cn."""
    model_scope_token_file: str = ""
    http_tokens_file: str = ""
    """JSON: the beginning of an address -> the bearer token that is sent there; the longest beginning counts."""
    connect_timeout_s: float = 10.0
    answer_timeout_s: float = 20.0
    """For each answer to a question; fetching the files has limits of its own."""


class FileSource(Protocol):
    """Plans for one kind of source. Blocks; runs in a child process, never in the agent itself."""

    def plan(self, source: ModelSource) -> FetchPlan:
        """Return which files to fetch and from where, pinned to one revision. Raises SourceRefused."""


class SourceRefused(ModelUnavailable):
    """The source does not give the files. The text says what was found, and what to do."""

    code = "source_refused"

    def __init__(self, message: str, is_retryable: bool = False, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.is_retryable = is_retryable
        """Whether the same question may be answered later without anybody doing anything."""
        self.retry_after_s = retry_after_s
        """What the source asked for; 0: nothing."""
