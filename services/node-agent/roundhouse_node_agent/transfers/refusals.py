"""What a server's refusal means, in words for the person who has to do something about it."""

from collections.abc import Mapping
from typing import Final

from yarl import URL

from roundhouse_common.contracts.catalog import SourceKind

__all__ = ["Changed", "Refusal", "Setback", "refusal_of", "shown"]


class Refusal(Exception):
    """This address does not give the file, and asking again does not help."""


class Setback(Exception):
    """It did not work this time."""

    def __init__(self, message: str, wait_s: float = 0.0) -> None:
        super().__init__(message)
        self.wait_s = wait_s
        """What the server asked for; 0: nothing."""


class Changed(Exception):
    """The file is not the one any more of which parts are there."""


_HUBS: Final = {SourceKind.HUGGING_FACE: "Hugging Face", SourceKind.MODEL_SCOPE: "ModelScope"}


def shown(url: str, kind: SourceKind) -> str:
    """Return an address for messages: without what may hold a secret, which is query, user, and an upload's path."""
    found = URL(url)
    host = f"{found.scheme}://{found.host}{f':{found.explicit_port}' if found.explicit_port else ''}"
    return host if kind is SourceKind.UPLOAD else f"{host}{found.path}"


def refusal_of(
    status: int, url: str, kind: SourceKind, headers: Mapping[str, str], *, has_credentials: bool
) -> Refusal:
    """Return what a status from 400 to 499 means for somebody who wants the file."""
    what = f"{shown(url, kind)} answered {status}"
    if status in (401, 403):
        return Refusal(f"{what}: {_access(url, kind, headers, has_credentials=has_credentials)}")
    if status in (404, 410):
        return Refusal(f"{what}: there is no such file. Check the name and the revision{_private(has_credentials)}")
    return Refusal(f"{what}, which is not an answer that a file could come after")


def _access(url: str, kind: SourceKind, headers: Mapping[str, str], *, has_credentials: bool) -> str:
    if headers.get("X-Error-Code", "") == "GatedRepo":
        whose = "of the account that the token belongs to" if has_credentials else "and then a token set on the node"
        return f"its licence has to be accepted first, on the model's page at {URL(url).host} {whose}"
    hub = _HUBS.get(kind)
    where = f"the node's token for {hub}" if hub else f"the node's token for {URL(url).host}"
    if has_credentials:
        return f"{where} is not accepted. It may have expired, or may not read this model"
    return f"it wants credentials and got none. Set {where}"


def _private(has_credentials: bool) -> str:
    return "" if has_credentials else ". Without a token, private models look like this, too"
