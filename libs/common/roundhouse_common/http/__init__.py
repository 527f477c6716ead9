"""What the REST edges share: the application, problems, permissions, pages, preconditions, idempotency.

`idempotency.py` needs the database kit and is imported by its own name.
"""

from roundhouse_common import lean  # noqa: F401 - before anything loads structlog or nats-py
from roundhouse_common.http.app import create_app
from roundhouse_common.http.bodies import Body
from roundhouse_common.http.pages import Page, PageRequest, cursor_for, moment_of, page_of, page_request
from roundhouse_common.http.permissions import requires
from roundhouse_common.http.preconditions import etag, require_if_match
from roundhouse_common.http.problems import Problem, ProblemField, documented
from roundhouse_common.http.times import Moment, Timestamp, rfc3339

__all__ = [
    "Body",
    "Moment",
    "Page",
    "PageRequest",
    "Problem",
    "ProblemField",
    "Timestamp",
    "create_app",
    "cursor_for",
    "documented",
    "etag",
    "moment_of",
    "page_of",
    "page_request",
    "require_if_match",
    "requires",
    "rfc3339",
]
