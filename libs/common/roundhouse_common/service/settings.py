"""Settings come from the environment only. A variable that no service knows is an error, not a silent typo."""

import difflib
import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from roundhouse_common.client_address import ForwardedHeader, Proxies, networks

__all__ = ["EXIT_BAD_SETTINGS", "ServiceSettings", "SettingsError", "SqlSettings", "load_settings"]

_TOKEN_LEAST = 16
EXIT_BAD_SETTINGS = 2
"""Exit code of a process whose settings are wrong: starting it again will not help."""


class SettingsError(Exception):
    """The settings are wrong; the text is one line that names the variable and says what to do."""


class ServiceSettings(BaseSettings):
    """What every service can be told. Subclasses set `env_prefix` to `ROUNDHOUSE_<SERVICE>_` and a default `port`."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, env_ignore_empty=True)

    instance: str = Field(default="", max_length=100)
    """Names this process in logs and on the bus; empty means `<service>-<pid>`."""
    host: str = "127.0.0.1"
    port: int
    """HTTP; 0 takes any free one."""
    state_dir: Path
    """The service's private directory."""
    nats_url: str = "nats://127.0.0.1:4222"
    nats_seed_file: Path | None = None
    """NATS credentials: a file with a JWT and its seed (`.creds`), or with a seed only; None connects without any."""
    token_public_key_file: Path | None = None
    """JWK set that access tokens are verified with."""
    metrics_token_file: Path | None = None
    """A file of mode 600 with a token that scrapes of `/metrics` must send as their bearer; empty: anybody who reaches
    the port may read it."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = "json"
    otlp_endpoint: str = ""
    """Base URL of an OTLP/HTTP collector, e.g. http://127.0.0.1:4318; empty sends no traces."""
    drain_timeout_s: float = Field(default=30.0, ge=0)
    """How long requests in flight, and then each drain hook, may take after SIGTERM."""
    trusted_proxies: list[str] = []
    """Networks of the proxies in front, as a JSON list, e.g. ["10.0.0.0/24"]: the client's address is what they say it
    is. It is what the audit names, and what API keys for some networks are held to."""
    forwarded_header: ForwardedHeader = "x-forwarded-for"
    """In which header those proxies say it: x-forwarded-for or forwarded. The other one is not looked at."""

    @classmethod
    def service_name(cls) -> str:
        """Return the service that the environment prefix names, e.g. `node-agent`."""
        prefix = str(cls.model_config.get("env_prefix", ""))
        return prefix.removeprefix("ROUNDHOUSE_").strip("_").lower().replace("_", "-") or "service"

    @field_validator("trusted_proxies")
    @classmethod
    def _check_proxies(cls, ranges: list[str]) -> list[str]:
        networks(ranges)
        return ranges

    @field_validator("metrics_token_file")
    @classmethod
    def _check_token(cls, path: Path | None) -> Path | None:
        if path is not None:
            _read_token(path)
        return path

    def metrics_token(self) -> str:
        """Return what scrapes must send; empty: nothing. Raises ValueError."""
        return _read_token(self.metrics_token_file) if self.metrics_token_file is not None else ""

    def proxies(self) -> Proxies:
        """Return the proxies in front of the service."""
        return Proxies(trusted=networks(self.trusted_proxies), header=self.forwarded_header)

    @field_validator("port")
    @classmethod
    def _check_port(cls, port: int) -> int:
        # A constraint on the field itself would be lost where a subclass gives the field a default.
        if not 0 <= port <= 65535:
            raise ValueError("a port is between 0 and 65535")
        return port

    @model_validator(mode="before")
    @classmethod
    def _name_instance(cls, values: Any) -> Any:  # Any: what pydantic hands in before validation
        if isinstance(values, dict) and not values.get("instance"):
            return {**values, "instance": f"{cls.service_name()}-{os.getpid()}"}
        return values


class SqlSettings(ServiceSettings):
    """Settings of a service that keeps a record in SQL."""

    database_url: str = Field(default="", repr=False)
    """sqlite+aiosqlite:///FILE or postgresql+asyncpg://...; empty means a SQLite file in `state_dir`."""

    @model_validator(mode="before")
    @classmethod
    def _default_database(cls, values: Any) -> Any:  # Any: what pydantic hands in before validation
        if isinstance(values, dict) and not values.get("database_url") and values.get("state_dir"):
            path = Path(str(values["state_dir"])).absolute() / f"{cls.service_name()}.db"
            return {**values, "database_url": f"sqlite+aiosqlite:///{path}"}
        return values


def _read_token(path: Path) -> str:
    try:
        mode = path.stat().st_mode
        token = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} holds no token: only letters, digits and signs of ASCII may be in it") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ValueError(f"{path} can be read by others (mode {stat.S_IMODE(mode):o}): `chmod 600 {path}`")
    if len(token) < _TOKEN_LEAST or not token.isprintable() or " " in token:
        raise ValueError(f"{path} holds no token: want one line of at least {_TOKEN_LEAST} characters without spaces")
    return token


S = TypeVar("S", bound=ServiceSettings)


def load_settings(settings_type: type[S]) -> S:
    """Return the settings of this process. Prints one line and exits with code 2 when they are wrong."""
    try:
        check_names(settings_type, os.environ)
        return settings_type()
    except ValidationError as error:
        line = _describe(settings_type, error)
    except SettingsError as error:
        line = str(error)
    print(line, file=sys.stderr)  # noqa: T201 - logging is not configured before the settings are known
    raise SystemExit(EXIT_BAD_SETTINGS)


def check_names(settings_type: type[ServiceSettings], environ: Mapping[str, str]) -> None:
    """Raise SettingsError for a variable with the service's prefix that is none of its settings."""
    prefix = _prefix(settings_type)
    known = [prefix + name.upper() for name in settings_type.model_fields]
    for name in environ:
        if name.upper().startswith(prefix) and name.upper() not in known:
            close = difflib.get_close_matches(name.upper(), known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"known ones: {', '.join(known)}"
            raise SettingsError(f"{settings_type.service_name()}: there is no setting {name}; {hint}")


def _describe(settings_type: type[ServiceSettings], error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    name = _prefix(settings_type) + "_".join(str(part) for part in first["loc"]).upper()
    if first["type"] == "missing":
        return f"{settings_type.service_name()}: {name} is not set, and it has no default"
    return f"{settings_type.service_name()}: {name}: {first['msg'].removeprefix('Value error, ')}"


def _prefix(settings_type: type[ServiceSettings]) -> str:
    return str(settings_type.model_config.get("env_prefix", "")).upper()
