"""Bodies of `/request-log`."""

from typing import Any, Self

import msgspec
from pydantic import Field

from roundhouse_catalog.api.schemas import View
from roundhouse_catalog.domain.request_logs import LogLevel
from roundhouse_common.contracts.request_log import LoggedRequest
from roundhouse_common.http import Timestamp

__all__ = ["LogPageView", "LoggedRequestView", "RouterAnsweredView"]


class LoggedRequestView(View):
    """A line: one request as its router logged it."""

    logged_at: Timestamp = Field(description="When it ended.")
    request_id: str = Field(examples=["req_0193a0c5f0d97c3e8a4b5c6d7e8f9012"])
    router_id: str
    admitted_at: Timestamp
    duration_ms: float
    time_to_first_token_ms: float | None = None
    queued_ms: float = 0.0
    api: str = Field(default="", examples=["openai.chat"])
    operation: str
    is_stream: bool
    model_requested: str
    model_served: str = ""
    route: str = Field(default="", description="By name.")
    provider: str = Field(default="", description="An engine's kind, or the name of an outside provider.")
    key_id: str
    user_id: str
    project_id: str = ""
    deployment_id: str = ""
    replica_id: str = ""
    node_id: str = ""
    outcome: str = Field(description="completed, failed or aborted.")
    http_status: int
    error_code: str = ""
    fault: str = Field(default="", description="Whose fault a failure was.")
    attempts: int = 0
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cache_write_tokens: int = 0
    input_audio_tokens: int = 0
    output_audio_tokens: int = 0
    input_image_tokens: int = 0
    output_image_tokens: int = 0
    request: Any | None = Field(default=None, description="The redacted body; only in the answer about one request.")
    answer: Any | None = Field(default=None, description="The redacted answer, or the texts of a stream; as above.")
    error: str | None = Field(default=None, description="The words of an error of the router itself; as above.")

    @classmethod
    def of(cls, logged: LoggedRequest) -> Self:
        return cls.model_validate(msgspec.json.decode(logged.line))


class RouterAnsweredView(View):
    """A router that has answered: lines of others are missing."""

    router_id: str
    dropped: int = Field(
        description="Requests of the tenant that are missing from its log since it started: the disk was slow or full."
    )


class LogPageView(View):
    """One page, the newest first. It may be short, or empty, while there is a next one."""

    items: list[LoggedRequestView]
    next_cursor: str | None = Field(default=None, description="Send it as `cursor` for the next page; null at the end.")
    level: LogLevel = Field(description="What is in force now.")
    routers: list[RouterAnsweredView]
