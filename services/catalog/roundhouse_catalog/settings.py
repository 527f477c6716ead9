"""Settings of the catalog, from `ROUNDHOUSE_CATALOG_*`."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from roundhouse_common.service import SqlSettings

__all__ = ["CatalogSettings"]


class CatalogSettings(SqlSettings):
    """What the catalog can be told, beside what every service with a database can."""

    model_config = SettingsConfigDict(env_prefix="ROUNDHOUSE_CATALOG_")

    port: int = Field(default=8801, ge=0, le=65535)
