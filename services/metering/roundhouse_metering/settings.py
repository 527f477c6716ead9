"""Settings of metering, from `ROUNDHOUSE_METERING_*`."""

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from roundhouse_common.service import SqlSettings

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
    budgets_every_s: float = Field(default=0.3, ge=0.05, le=60)
    """How often, at the most, routers are told what was spent of budgets."""
    webhook_key_file: Path | None = None
    """A file of mode 600 that the secrets of webhooks are made from. Empty: one is made in the state directory; several
    instances must share one."""
    webhooks_to_private: bool = False
    """Whether webhooks may lead to addresses that are not public: loopback, private networks."""
    smtp_url: str = Field(default="", repr=False)
    """Who takes mail: `smtp://HOST:PORT`, `smtp+starttls://USER:PASSWORD@HOST:PORT` or `smtps://...`."""
    smtp_from: str = "roundhouse@localhost"
    """The sender of mail."""
    rebuild_timeout_s: float = Field(default=3.0, gt=0, le=300)
    """How long `POST /bus:rebuild` gathers answers. Routers answer at once, and publish afterwards."""

    @field_validator("smtp_url")
    @classmethod
    def _is_smtp(cls, url: str) -> str:
        """Refuse what no mail could be sent to, without repeating a password."""
        parts = urlsplit(url)
        if url and (parts.scheme not in ("smtp", "smtp+starttls", "smtps") or not parts.hostname):
            raise ValueError("want smtp://HOST:PORT, smtp+starttls://USER:PASSWORD@HOST:PORT or smtps://HOST:PORT")
        return url
