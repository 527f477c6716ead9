"""The trail of a request: who asks for what, from where. The audit reads it; no handler passes it on."""

from collections.abc import MutableMapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from roundhouse_common.auth import Subject

__all__ = ["Trail", "TrailEnd", "current_trail", "follow", "mark_error", "mark_subject", "mark_told", "unfollow"]

_USER_AGENT_CHARACTERS: Final = 256
_ACTION_CHARACTERS: Final = 64


@dataclass(slots=True, kw_only=True)
class Trail:
    """What is known of one request while it is answered."""

    scope: MutableMapping[str, Any]  # Any: ASGI's own words
    request_id: str
    client_address: str = ""
    subject: Subject | None = None
    """Empty until a token was verified."""
    entered: int = field(default=0)
    """How often the audit was told, also that nothing changed."""
    error_code: str = ""
    """Of the problem that was answered."""
    told: dict[str, str] = field(default_factory=dict)
    """Members of the audit's record that the handler knows better than the address tells."""
    end: "TrailEnd | None" = None
    """The audit of the service that answers; None: it keeps none."""

    @property
    def user_agent(self) -> str:
        for name, value in self.scope.get("headers", ()):
            if name == b"user-agent":
                return str(value.decode("latin-1"))[:_USER_AGENT_CHARACTERS]
        return ""

    @property
    def operation(self) -> str:
        """The name of the endpoint, as in the OpenAPI document; empty for paths that have none."""
        return str(getattr(self.scope.get("route"), "name", ""))

    @property
    def action(self) -> str:
        """What the audit calls the operation: `deployment.change` for `change_deployment`."""
        verb, _, noun = self.operation.partition("_")
        named = f"{noun.replace('_', '-')}.{verb}" if noun else verb
        return (named or f"{self.scope.get('method', '')} request".lower())[:_ACTION_CHARACTERS]

    @property
    def object_id(self) -> str:
        """The last parameter of the path: what the operation is about where it is there already."""
        values = [str(value) for value in self.scope.get("path_params", {}).values()]
        return values[-1] if values else ""


class TrailEnd(Protocol):
    """What the audit does at the end of a request (`audit.py`, which needs the database kit)."""

    async def enter(self, session: Any, **change: Any) -> None:  # Any: of the database kit; see `Audit.enter`
        """Record a change in its own transaction."""

    async def finish(self, trail: Trail, status: int) -> None:
        """Enter what the handler did not: a refusal, or a write. Never fails."""


_CURRENT: ContextVar[Trail | None] = ContextVar("roundhouse_trail", default=None)


def follow(trail: Trail) -> Any:  # Any: the token of a context variable
    """Make it the trail of what runs from here on; give what is returned to `unfollow`."""
    return _CURRENT.set(trail)


def unfollow(token: Any) -> None:  # Any: as above
    _CURRENT.reset(token)


def current_trail() -> Trail | None:
    """Return the trail of the request that is being answered; None outside of requests."""
    return _CURRENT.get()


def mark_error(code: str) -> None:
    """Note which problem is answered."""
    trail = _CURRENT.get()
    if trail is not None:
        trail.error_code = code


def mark_subject(subject: Subject) -> None:
    """Note who asks, once that is proven."""
    trail = _CURRENT.get()
    if trail is not None:
        trail.subject = subject


def mark_told(**members: str) -> None:
    """Note what the audit shall say of this request, should it be refused: who tried to log in, for example."""
    trail = _CURRENT.get()
    if trail is not None:
        trail.told.update(members)
