"""Reads tokens from files that nobody but the agent's user can read."""

import stat
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from roundhouse_node_agent.sources.source import SourceRefused

__all__ = ["read_token", "token_for", "tokens_by_address"]

_MOST_BYTES = 256 * 1024


def read_token(file: str) -> str:
    """Return the token in a file; empty when no file is named. Raises SourceRefused."""
    token = _read(file).strip() if file else ""
    if len(token.split()) > 1:
        raise SourceRefused(f"{file} holds more than one word; it must hold one token and nothing else")
    return token


def tokens_by_address(file: str) -> Mapping[str, str]:
    """Return the tokens by the beginnings of addresses; none when no file is named. Raises SourceRefused."""
    if not file:
        return {}
    try:
        found = msgspec.json.decode(_read(file), type=dict[str, str])
    except msgspec.DecodeError as error:
        raise SourceRefused(
            f'{file} is not of the form {{"https://models.example.org/": "token"}}: {str(error).splitlines()[0]}'
        ) from error
    for beginning in found:
        if urlsplit(beginning).scheme not in ("http", "https") or not urlsplit(beginning).hostname:
            raise SourceRefused(
                f"{file}: {beginning!r} does not begin like an address, e.g. https://models.example.org/"
            )
    return found


def token_for(tokens: Mapping[str, str], url: str) -> str:
    """Return the token of the longest beginning that this address has; empty when there is none."""
    fitting = [beginning for beginning in tokens if _begins(url, beginning)]
    return tokens[max(fitting, key=len)] if fitting else ""


def _begins(url: str, beginning: str) -> bool:
    """Compare host and port as a whole: https://a.example must not begin https://a.example.evil."""
    asked, known = urlsplit(url), urlsplit(beginning)
    same = (asked.scheme, asked.hostname, asked.port) == (known.scheme, known.hostname, known.port)
    folder = known.path.rstrip("/")
    return same and (not folder or asked.path == folder or asked.path.startswith(f"{folder}/"))


def _read(file: str) -> str:
    path = Path(file)
    try:
        found = path.stat()
        if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            mode = stat.S_IMODE(found.st_mode)
            raise SourceRefused(f"others may read the secrets in {file} (mode {mode:o}); do: chmod 600 {file}")
        if found.st_size > _MOST_BYTES:
            raise SourceRefused(f"{file} has {found.st_size} bytes, which is too much for a file of tokens")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise SourceRefused(f"the file of tokens {file} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise SourceRefused(f"{file} is no text; it must hold tokens") from error
