"""Settings of metering, from `ROUNDHOUSE_METERING_*`."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from roundhouse_common.service import SqlSettings

__all__ = ["MeteringSettings"]


class MeteringSettings(SqlSettings):
    """What metering can be told, beside what every service with a database can."""

    model_config = SettingsConfigDict(env_prefix="ROUNDHOUSE_METERING_")

    port: int = Field(default=8803, ge=0, le=65535)
    batch_size: int = Field(default=256, ge=1, le=1000)
    """Usage records per transaction, at the most."""
    rebuild_timeout_s: float = Field(default=3.0, gt=0, le=300)
    """How long `POST /bus:rebuild` gathers answers. Routers answer at once, and publish afterwards."""
