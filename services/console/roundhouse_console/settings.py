"""Settings of the console, from `ROUNDHOUSE_CONSOLE_*`."""

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from roundhouse_common.service import SqlSettings

__all__ = ["ConsoleSettings"]


class ConsoleSettings(SqlSettings):
    """What the console can be told, beside what every service with a database can. It does not use the bus."""

    model_config = SettingsConfigDict(env_prefix="ROUNDHOUSE_CONSOLE_")

    port: int = Field(default=8806, ge=0, le=65535)
    catalog_url: str = "http://127.0.0.1:8801"
    """Where the console reaches the catalog."""
    catalog_public_url: str = ""
    """Where browsers reach the catalog when they sign in at an identity provider. Empty: as `catalog_url`."""
    scheduler_url: str = "http://127.0.0.1:8802"
    """Where it reaches the scheduler."""
    metering_url: str = "http://127.0.0.1:8803"
    """Where it reaches metering."""
    router_url: str = "http://127.0.0.1:8800"
    """Where it reaches a router, for the playground and the test tool."""
    router_public_url: str = ""
    """Where client applications reach the routers: what examples show. Empty: as `router_url`."""
    public_url: str = ""
    """Where browsers reach the console, e.g. https://console.example.org: other origins may not write. Empty: what the
    browser calls it by its Host header, over http or https."""
    request_timeout_s: float = Field(default=30.0, gt=0, le=600)
    """How long a service may take to answer one question of a page."""
    session_idle_s: float = Field(default=12 * 3600.0, ge=60)
    """How long a browser stays signed in without use."""
    live_every_s: float = Field(default=3.0, ge=0.5, le=60)
    """How often an open page looks at what changes."""
    reconnect_s: float = Field(default=10.0, ge=1, le=600)
    """How long the state of a page whose connection broke is kept for its return."""
    upload_most_bytes: int = Field(default=64 * 2**30, ge=1)
    """The size of one uploaded model file, at the most; the catalog has limits of its own."""

    @field_validator(
        "catalog_url",
        "catalog_public_url",
        "scheduler_url",
        "metering_url",
        "router_url",
        "router_public_url",
        "public_url",
    )
    @classmethod
    def _is_url(cls, url: str) -> str:
        if url and not url.startswith(("http://", "https://")):
            raise ValueError("want a URL that begins with http:// or https://")
        return url.rstrip("/")
