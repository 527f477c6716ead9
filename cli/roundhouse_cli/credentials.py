"""How a command proves who types it: a token of the environment, a saved login, or the key of the local platform.

The first that is there counts. An access token lives for minutes; long commands get the next one by themselves.
"""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import httpx

from roundhouse_cli.connection import Connection
from roundhouse_cli.saved_login import SavedLogin, login_file, post
from roundhouse_common.runtime import Clock

__all__ = ["PERSONAL_TOKEN_PREFIX", "GivenToken", "Tokens", "tokens_for"]

PERSONAL_TOKEN_PREFIX = "rhp-"
_SPARE_S = 30.0
"""A token that expires sooner is not used any more."""


class Tokens(Protocol):
    """Where access tokens come from."""

    source: str
    """In words, for people."""

    def current(self) -> str:
        """Return an access token; empty when there is none. Raises CliError."""

    def renew(self) -> bool:
        """Forget a token that was refused although it should have been good; return whether there can be another."""


class NoTokens:
    """Nobody is logged in."""

    source = "nobody is logged in; `roundhouse login`"

    def current(self) -> str:
        return ""

    def renew(self) -> bool:
        return False


class GivenToken:
    """An access token that somebody else made."""

    source = "the access token in ROUNDHOUSE_TOKEN"

    def __init__(self, token: str) -> None:
        self._token = token

    def current(self) -> str:
        return self._token

    def renew(self) -> bool:
        return False


class ExchangedToken:
    """Access tokens for a personal token, or one of a service account."""

    def __init__(self, http: httpx.Client, catalog_url: str, secret: str, clock: Clock, *, source: str) -> None:
        self.source = source
        self._http = http
        self._catalog_url = catalog_url
        self._secret = secret
        self._clock = clock
        self._token = ""
        self._good_until = 0.0

    def current(self) -> str:
        if self._clock.now() > self._good_until:
            given = post(self._http, self._catalog_url, "/api/v1/sessions:exchange", {"token": self._secret})
            self._token = str(given["access_token"])
            self._good_until = self._clock.now() + float(given["expires_in"]) - _SPARE_S
        return self._token

    def renew(self) -> bool:
        self._good_until = 0.0
        return True


class LocalKey:
    """Tokens of the administrator, signed with the key in the data directory: whoever can read it is one."""

    TTL_S = 300.0
    source = "the signing key of the data directory"

    def __init__(self, directory: Path, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._token = ""
        self._good_until = 0.0

    def current(self) -> str:
        if self._clock.now() > self._good_until:
            # Loaded only here: it takes a tenth of a second that other commands need not spend.
            secrets = importlib.import_module("roundhouse_cli.local.secrets").Secrets(self._directory)
            self._token = secrets.admin_token(self._clock, self.TTL_S)
            self._good_until = self._clock.now() + self.TTL_S - _SPARE_S
        return self._token

    def renew(self) -> bool:
        self._good_until = 0.0
        return True


def tokens_for(connection: Connection, environment: Mapping[str, str], http: httpx.Client, clock: Clock) -> Tokens:
    """Return what speaks for whoever runs the command."""
    if given := environment.get("ROUNDHOUSE_TOKEN", ""):
        if given.startswith(PERSONAL_TOKEN_PREFIX):
            source = "the personal token in ROUNDHOUSE_TOKEN"
            return ExchangedToken(http, connection.catalog_url, given, clock, source=source)
        return GivenToken(given)
    saved = SavedLogin(login_file(environment, connection.catalog_url), http, connection.catalog_url, clock)
    if (kept := saved.read()) is not None:
        if kept.personal_token:
            source = "the personal token of `roundhouse login`"
            return ExchangedToken(http, connection.catalog_url, kept.personal_token, clock, source=source)
        return saved
    if (directory := connection.secrets_dir) is not None:
        return LocalKey(directory, clock)
    return NoTokens()
