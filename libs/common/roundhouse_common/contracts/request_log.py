"""What is asked of the routers' request logs: each has the lines of the requests that it admitted itself."""

from roundhouse_common.contracts.base import Message

__all__ = ["LoggedRequest", "ReadRequestLog", "RequestLogPart"]


class ReadRequestLog(Message, frozen=True, kw_only=True):
    """Lines of one tenant, the newest first. What is empty or 0 does not matter."""

    tenant_id: str
    since: float = 0.0
    """Unix seconds, of when the request ended; as is `until`, which is left out."""
    until: float = 0.0
    before_at: float = 0.0
    """Go on behind the line with this `at` and `before_id`."""
    before_id: str = ""
    request_id: str = ""
    key_id: str = ""
    model: str = ""
    """As the client named it."""
    status: int = 0
    outcome: str = ""
    has_texts: bool = False
    """With what was asked and answered, where it was logged."""
    limit: int = 50


class LoggedRequest(Message, frozen=True, kw_only=True):
    """One line."""

    at: float
    """When the request ended, Unix seconds. With the id it orders the lines of all routers."""
    request_id: str
    line: str
    """A JSON object."""


class RequestLogPart(Message, frozen=True, kw_only=True):
    """What one router has."""

    router_id: str
    lines: tuple[LoggedRequest, ...]
    reached_at: float = 0.0
    """How far back it has looked, with `reached_id`: older lines may be there. 0: it has looked at all."""
    reached_id: str = ""
    dropped: int = 0
    """Requests of this tenant that are missing from its log, since it started."""
