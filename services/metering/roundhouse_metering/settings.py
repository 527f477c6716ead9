"""Settings of metering, from `ROUNDHOUSE_METERING_*`."""

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from roundhouse_common.contracts.generate.subjects import token
from roundhouse_common.service import SqlSettings
from roundhouse_metering.domain.feed import EventReader

__all__ = ["MeteringSettings"]


class MeteringSettings(SqlSettings):
    """What metering can be told, beside what every service with a database can."""

    model_config = SettingsConfigDict(env_prefix="ROUNDHOUSE_METERING_")

    port: int = Field(default=8803, ge=0, le=65535)
    batch_size: int = Field(default=256, ge=1, le=1000)
    """Usage records per transaction, at the most."""
    sample_queue_size: int = Field(default=20_000, ge=100, le=1_000_000)
    """Samples of nodes that wait for the database, at the most; further ones are dropped and counted."""
    sample_batch_size: int = Field(default=100, ge=1, le=1000)
    """Samples of nodes per transaction, at the most."""
    keep_samples_s: float = Field(default=6 * 3_600.0, ge=3_600)
    """How long samples of nodes are kept as they came."""
    keep_minutes_s: float = Field(default=7 * 86_400.0, ge=7_200)
    """How long their averages over a minute are kept."""
    keep_quarters_s: float = Field(default=90 * 86_400.0, ge=86_400)
    """How long their averages over 15 minutes are kept."""
    keep_record_months: int = Field(default=0, ge=0, le=1200)
    """How many whole months of usage records are kept beside the one that is now; 0: all, for ever. Sums stay."""
    keep_usage_minutes_s: int = Field(default=9 * 86_400, ge=86_400)
    """How long sums of usage by the minute are kept; those by hour and day stay for ever."""
    keep_usage_quarters_s: int = Field(default=63 * 86_400, ge=86_400)
    """How long sums of usage by 15 minutes are kept."""
    engine_counters_every_s: float = Field(default=30.0, ge=0.1, le=600)
    """How often, at the most, engines' own token counters are written down."""
    engine_tolerance_share: float = Field(default=0.005, ge=0, le=1)
    """A difference between the ledger and an engine's counters up to this share of the tokens is none."""
    engine_tolerance_tokens: int = Field(default=500, ge=0)
    """And up to so many tokens of one replica and kind."""
    keep_engine_hours_s: float = Field(default=400 * 86_400.0, ge=2 * 86_400)
    """How long the comparison of the ledger with engines' counters can be made for, by the hour."""
    budgets_every_s: float = Field(default=0.3, ge=0.05, le=60)
    """How often, at the most, routers are told what was spent of budgets."""
    webhook_key_file: Path | None = None
    """A file of mode 600 that the secrets of webhooks are made from. Empty: one is made in the state directory; several
    instances must share one."""
    webhooks_to_private: bool = False
    """Whether webhooks may lead to addresses that are not public: loopback, private networks."""
    webhook_batch_size: int = Field(default=100, ge=1, le=1000)
    """Events in one POST to a webhook, at the most."""
    event_readers: str = ""
    """Programs outside that read the stream `FINANCE`, with commas: `NAME`, or `NAME:TENANT` for events of one tenant.
    Each has a durable consumer `reader-NAME`; `roundhouse admin event-reader NAME` makes its credentials. Without any,
    nothing is published there."""
    smtp_url: str = Field(default="", repr=False)
    """Who takes mail: `smtp://HOST:PORT`, `smtp+starttls://USER:PASSWORD@HOST:PORT` or `smtps://...`."""
    smtp_from: str = "roundhouse@localhost"
    """The sender of mail."""
    rebuild_timeout_s: float = Field(default=3.0, gt=0, le=300)
    """How long `POST /bus:rebuild` gathers answers. Routers answer at once, and publish afterwards."""

    @field_validator("event_readers")
    @classmethod
    def _are_readers(cls, text: str) -> str:
        """Refuse names that cannot be part of a subject."""
        for name, tenant_id in _pairs(text):
            token(name)
            token(tenant_id or "any")
        return text

    def readers(self) -> tuple[EventReader, ...]:
        """Return who reads the stream."""
        return tuple(EventReader(name=name, tenant_id=tenant_id) for name, tenant_id in _pairs(self.event_readers))

    @field_validator("smtp_url")
    @classmethod
    def _is_smtp(cls, url: str) -> str:
        """Refuse what no mail could be sent to, without repeating a password."""
        parts = urlsplit(url)
        if url and (parts.scheme not in ("smtp", "smtp+starttls", "smtps") or not parts.hostname):
            raise ValueError("want smtp://HOST:PORT, smtp+starttls://USER:PASSWORD@HOST:PORT or smtps://HOST:PORT")
        return url


def _pairs(text: str) -> list[tuple[str, str]]:
    parts = [part.strip().partition(":") for part in text.split(",") if part.strip()]
    return [(name, tenant_id) for name, _, tenant_id in parts]
