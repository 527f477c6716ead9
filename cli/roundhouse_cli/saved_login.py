"""A login that outlives the command: its tokens in a file of mode 600, refreshed by one process at a time."""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from roundhouse_cli.errors import Failure, Refused, Unreachable
from roundhouse_cli.local.files import private_dir, write_private
from roundhouse_common.runtime import Clock

__all__ = ["Kept", "SavedLogin", "login_file", "post"]

_SPARE_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What the file has. Either a session or a personal token."""

    catalog_url: str
    login_name: str = ""
    session_id: str = ""
    tenant_id: str = ""
    access_token: str = field(default="", repr=False)
    expires_at: float = 0.0
    refresh_token: str = field(default="", repr=False)
    personal_token: str = field(default="", repr=False)

    def with_tokens(self, given: Mapping[str, Any]) -> "Kept":  # Any: what the catalog answered
        """Return it with the tokens of an answer of the catalog."""
        expires_at = datetime.fromisoformat(str(given["expires_at"]).replace("Z", "+00:00")).timestamp()
        return replace(
            self,
            session_id=str(given["session_id"]),
            tenant_id=str(given["tenant_id"]),
            access_token=str(given["access_token"]),
            expires_at=expires_at,
            refresh_token=str(given["refresh_token"]),
        )


def login_file(environment: Mapping[str, str], catalog_url: str) -> Path:
    """Return the file of the logins at this catalog: what is for one server is never sent to another."""
    named = environment.get("ROUNDHOUSE_CONFIG_DIR", "")
    home = environment.get("XDG_CONFIG_HOME", "") or str(Path.home() / ".config")
    directory = Path(named) if named else Path(home) / "roundhouse"
    return directory / "logins" / f"{hashlib.sha256(catalog_url.encode()).hexdigest()[:16]}.json"


class SavedLogin:
    """The login of one file."""

    source = "`roundhouse login`"

    def __init__(self, path: Path, http: httpx.Client, catalog_url: str, clock: Clock) -> None:
        self.path = path
        self._http = http
        self._catalog_url = catalog_url
        self._clock = clock

    def read(self) -> Kept | None:
        """Return what is kept; None when nobody is logged in. Raises Failure for a damaged file."""
        try:
            kept = Kept(**json.loads(self.path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise Failure(
                f"The saved login {self.path} cannot be used: {error}. `roundhouse logout` removes it."
            ) from error
        return kept if kept.catalog_url == self._catalog_url else None

    def current(self) -> str:
        """Return an access token, a new one when the kept one ends soon. Raises Failure when the session has ended."""
        kept = self.read()
        if kept is not None and self._is_good(kept):
            return kept.access_token
        with self.locked():
            kept = self.read()  # another command may have been quicker
            if kept is None:
                return ""
            if not self._is_good(kept):
                kept = self._refreshed(kept)
            return kept.access_token

    def renew(self) -> bool:
        """Have the next look refresh: the token was made void, perhaps because its owner's rights have changed."""
        with self.locked():
            kept = self.read()
            if kept is None or not kept.refresh_token:
                return False
            self.save(replace(kept, expires_at=0.0))
            return True

    def switch(self, tenant: str) -> Kept:
        """Go on in another tenant. Raises Refused."""
        with self.locked():
            kept = self.read()
            if kept is None or not kept.refresh_token:
                raise Failure("There is no saved login to switch; `roundhouse login --tenant NAME` begins one.")
            return self._refreshed(kept, tenant=tenant)

    def save(self, kept: Kept) -> None:
        private_dir(self.path.parent)
        write_private(self.path, json.dumps(asdict(kept), indent=2) + "\n")

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold off every other command that would refresh: a refresh token is good for one use."""
        private_dir(self.path.parent)
        descriptor = os.open(self.path.with_suffix(".lock"), os.O_WRONLY | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _is_good(self, kept: Kept) -> bool:
        return bool(kept.access_token) and kept.expires_at - _SPARE_S > self._clock.now()

    def _refreshed(self, kept: Kept, tenant: str = "") -> Kept:
        body = {"refresh_token": kept.refresh_token, **({"tenant": tenant} if tenant else {})}
        try:
            given = post(self._http, self._catalog_url, "/api/v1/sessions:refresh", body)
        except Refused as error:
            if error.status == httpx.codes.UNAUTHORIZED:
                self.remove()
                raise Failure("Your login has ended; `roundhouse login` begins another.") from error
            raise
        kept = kept.with_tokens(given)
        self.save(kept)
        return kept


# Any: JSON documents.
def post(http: httpx.Client, catalog_url: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Ask the catalog as nobody. Raises Refused or Unreachable."""
    try:
        answer = http.post(f"{catalog_url.rstrip('/')}{path}", json=dict(body))
    except httpx.TransportError as error:
        raise Unreachable(f"The catalog at {catalog_url} cannot be reached: {error}.") from error
    is_json = "json" in answer.headers.get("content-type", "") and bool(answer.content)
    found: dict[str, Any] = answer.json() if is_json else {}
    if answer.is_error:
        message = str(found.get("detail") or f"The catalog answered {answer.status_code}.")
        raise Refused(message, status=answer.status_code, code=str(found.get("code", "")))
    return found
