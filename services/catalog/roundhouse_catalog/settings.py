"""Settings of the catalog, from `ROUNDHOUSE_CATALOG_*`."""

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from roundhouse_catalog.domain.request_logs import LogLevel
from roundhouse_catalog.domain.sessions import SessionRules
from roundhouse_catalog.domain.signing_keys import KeyRules
from roundhouse_common.service import SqlSettings

__all__ = ["CatalogSettings"]


class CatalogSettings(SqlSettings):
    """What the catalog can be told, beside what every service with a database can."""

    model_config = SettingsConfigDict(env_prefix="ROUNDHOUSE_CATALOG_")

    port: int = Field(default=8801, ge=0, le=65535)
    public_url: str = ""
    """Where nodes reach this API, e.g. http://10.0.0.5:8801: they fetch uploaded models there. Empty: `host` and
    `port`, which only nodes on the same machine reach while the service listens on 127.0.0.1."""
    uploads_dir: Path | None = None
    """Where uploaded files are kept; one directory that all of them share where several catalogs run. Empty: `uploads`
    in `state_dir`."""
    upload_most_bytes: int = Field(default=2**40, ge=1)
    """A larger upload is refused."""
    upload_headroom_bytes: int = Field(default=2**30, ge=0)
    """What must stay free on the disk of the uploads beyond those that were begun."""
    upload_most_open: int = Field(default=100, ge=1)
    """Uploads of all tenants that may be unfinished at once."""
    upload_expiry_s: float = Field(default=86_400.0, gt=0)
    """An unfinished upload to which nothing was added for so long is deleted."""
    upload_idle_s: float = Field(default=60.0, gt=0)
    """A request that brings a file and is silent for so long is given up; what came stays."""
    secrets_key_file: Path | None = None
    """Keys that secrets of outside providers are sealed with, one in base64 per line, in a file of mode 600; routers
    get the same. The first seals, all open. Empty: providers can have no keys."""
    provider_timeout_s: float = Field(default=10.0, gt=0, le=60)
    """How long an outside provider that is checked may take to answer."""

    request_logs: LogLevel = LogLevel.BODIES
    """The most that tenants may choose for their request logs: `bodies`, `metadata` or `off`. What was chosen before
    and is more is not in force."""

    first_password_file: Path | None = None
    """Holds the administrator's first password, which must be changed at the first login. Read while they have none."""
    login_redirects: list[str] = []
    """Addresses, as a JSON list, that a login at an identity provider may end at beside http://127.0.0.1:PORT: a
    console's."""
    password_memory_kib: int = Field(default=65_536, ge=8, le=4_194_304)
    """Memory that one check of a password takes; two run at once."""
    password_passes: int = Field(default=3, ge=1, le=100)
    """How often a check of a password goes over its memory."""
    access_token_s: float = Field(default=300.0, ge=30, le=3600)
    """How long an access token lives: the longest that one works after a sign-out while the bus is away."""
    session_idle_s: float = Field(default=43_200.0, ge=60)
    """A login that is not used for so long ends."""
    session_most_s: float = Field(default=2_592_000.0, ge=60)
    """A login ends after so long, however busy it is."""
    refresh_grace_s: float = Field(default=15.0, ge=0, le=300)
    """A client that got no answer to a refresh may repeat it for so long; after that a repetition ends its session."""
    signing_key_lead_s: float = Field(default=120.0, ge=0)
    """A new signing key is published for so long before it signs."""

    def session_rules(self) -> SessionRules:
        """Return how long logins and tokens live."""
        return SessionRules(
            access_s=self.access_token_s,
            idle_s=self.session_idle_s,
            absolute_s=self.session_most_s,
            grace_s=self.refresh_grace_s,
        )

    def key_rules(self) -> KeyRules:
        """Return how signing keys are replaced."""
        return KeyRules(lead_s=self.signing_key_lead_s, longest_token_s=self.access_token_s)

    @field_validator("public_url")
    @classmethod
    def _check_public_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if url and (parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment):
            raise ValueError("state an address like http://10.0.0.5:8801")
        return url.rstrip("/")
