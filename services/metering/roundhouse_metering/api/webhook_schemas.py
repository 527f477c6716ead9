"""Bodies and answers of `/webhooks`."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field

from roundhouse_common.http import Body, Moment, Timestamp
from roundhouse_metering.domain.feed import EventType
from roundhouse_metering.domain.webhooks import Mode, Webhook, WebhookDraft, WebhookPatch, state_of

__all__ = [
    "SecretRotation",
    "TestResult",
    "WebhookChanges",
    "WebhookToCreate",
    "WebhookView",
    "WebhookWithSecret",
]

_Type = Literal[
    "io.roundhouse.usage.request.settled.v1",
    "io.roundhouse.usage.cost.corrected.v1",
    "io.roundhouse.budget.threshold.reached.v1",
]
_Url = Annotated[str, Field(max_length=2000, examples=["https://finance.example.com/roundhouse"])]
_Types = Annotated[list[_Type], Field(max_length=10, description="Which events it is told.")]
_Mode = Annotated[Mode, Field(description="`batch`: many events in one POST; `single`: one in each.")]
_DAY_S = 86_400


class WebhookToCreate(Body):
    """Where events are sent to, and which."""

    name: str = Field(max_length=500, examples=["the ERP"])
    url: _Url
    types: _Types = [EventType.USAGE.value, EventType.CORRECTION.value]
    tenant: str = Field(
        default="", max_length=200, description="Whose events: absent the caller's own; another one's id or `all`."
    )
    mode: _Mode = "batch"
    is_enabled: bool = True
    after: str | None = Field(
        default=None,
        max_length=60,
        description="A cursor of the feed to begin after, `0` for all; absent: now.",
    )
    since: Moment | None = Field(default=None, description="Begin with what came then or later.")

    def draft(self) -> WebhookDraft:
        return WebhookDraft(
            name=self.name,
            url=self.url,
            types=_types(self.types),
            covers=self.tenant,
            mode=self.mode,
            is_enabled=self.is_enabled,
        )


class WebhookChanges(Body):
    """What to change; what is absent stays as it is. Any change has it tried at once."""

    name: Annotated[str | None, Field(max_length=500)] = None
    url: Annotated[str | None, Field(max_length=2000)] = None
    types: _Types | None = None
    mode: _Mode | None = None
    is_enabled: bool | None = None

    def patch(self) -> WebhookPatch:
        return WebhookPatch(
            name=self.name,
            url=self.url,
            types=None if self.types is None else _types(self.types),
            mode=self.mode,
            is_enabled=self.is_enabled,
        )


class SecretRotation(Body):
    """How long what is sent carries two signatures."""

    overlap_s: int = Field(default=_DAY_S, ge=0, le=30 * _DAY_S)


class WebhookView(BaseModel):
    """A webhook, how far it came and how it goes."""

    id: str = Field(examples=["whk_0193a0c5f0d97c3e8a4b5c6d7e8f9012"])
    tenant_id: str
    name: str
    url: str
    types: list[str]
    tenant: str = Field(description="Whose events: a tenant's id, or `all`.")
    mode: Mode
    is_enabled: bool
    state: Literal["active", "retrying", "failing", "disabled"] = Field(
        description="`failing`: nothing was taken for ten minutes. It is tried for ever, unless it answered 410."
    )
    cursor: str = Field(description="What is up to there was taken, or is nothing for it.")
    sent: int = Field(description="Events that were taken.")
    attempts: int = Field(description="That failed since the last that did not.")
    failing_since: Timestamp | None
    next_try_at: Timestamp | None = Field(description="Null: nothing waits for a pause to end.")
    tried_at: Timestamp | None
    sent_at: Timestamp | None
    last_error: str
    old_secret_until: Timestamp | None = Field(description="Until then there are two signatures.")
    revision: int
    created_at: Timestamp
    created_by: str

    @classmethod
    def of(cls, webhook: Webhook, now: float) -> Self:
        return cls(**_shown(webhook, now))


class WebhookWithSecret(WebhookView):
    """A webhook with its secret, shown this once."""

    secret: str = Field(description="Of Standard Webhooks: verify `webhook-signature` with it.")

    @classmethod
    def with_secret(cls, webhook: Webhook, secret: str, now: float) -> Self:
        return cls(**_shown(webhook, now), secret=secret)


class TestResult(BaseModel):
    """What became of a test event. It moves nothing."""

    is_taken: bool
    status: int = Field(description="What was answered; 0: nothing.")
    error: str
    duration_ms: float


def _types(given: list[_Type]) -> tuple[EventType, ...]:
    return tuple(EventType(one) for one in dict.fromkeys(given))


def _shown(webhook: Webhook, now: float) -> dict[str, object]:
    same = (
        *("tenant_id", "name", "url", "mode", "is_enabled", "sent", "attempts", "failing_since", "tried_at"),
        *("sent_at", "last_error", "revision", "created_at", "created_by"),
    )
    return {
        "id": webhook.webhook_id,
        "types": [one.value for one in webhook.types],
        "tenant": webhook.covers,
        "state": state_of(webhook, now),
        "cursor": str(webhook.cursor),
        "next_try_at": webhook.due_at if webhook.is_enabled and webhook.attempts else None,
        "old_secret_until": webhook.old_secret_until if webhook.old_secret_until > now else None,
        **{name: getattr(webhook, name) for name in same},
    }
