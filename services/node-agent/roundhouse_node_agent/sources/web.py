"""Asks sources over HTTP and turns whatever goes wrong into a refusal that says what to do."""

import contextlib
import email.utils
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar
from urllib.parse import urlsplit

import httpx2
import msgspec

from roundhouse_node_agent.sources.source import SourceOptions, SourceRefused

__all__ = ["ask", "host_of", "joined", "passing", "reached", "shown", "web_client"]

_MOST_ANSWER_BYTES = 64 * 1024 * 1024
_MOST_WAIT_S = 3600.0
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
Document = TypeVar("Document")


def web_client(options: SourceOptions) -> httpx2.Client:
    """Return a client with the environment's proxies and authorities. Credentials do not follow to other hosts."""
    timeout = httpx2.Timeout(options.answer_timeout_s, connect=options.connect_timeout_s)
    try:
        return httpx2.Client(follow_redirects=True, timeout=timeout, max_redirects=8)
    except (OSError, ValueError, httpx2.HTTPError) as error:
        raise SourceRefused(f"this node's proxy or certificate settings (SSL_CERT_FILE) are wrong: {error}") from error


@contextlib.contextmanager
def reached(url: str) -> Iterator[None]:
    """Turn a failure to reach the address into SourceRefused."""
    host = host_of(url)
    try:
        yield
    except httpx2.TimeoutException as error:
        raise SourceRefused(f"{host} did not answer in time", is_retryable=True) from error
    except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
        raise SourceRefused(f"{shown(url)} is no address that can be asked: {error}") from error
    except httpx2.RequestError as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            message = f"the certificate of {host} is not trusted on this node; name your authority in SSL_CERT_FILE"
            raise SourceRefused(f"{message} ({error})") from error
        raise SourceRefused(
            f"{host} cannot be reached: {error or type(error).__name__}; "
            "check this node's network, its proxy (HTTPS_PROXY), and the mirrors in its settings",
            is_retryable=True,
        ) from error


def ask(
    client: httpx2.Client, url: str, kind: type[Document], headers: Mapping[str, str]
) -> Document | httpx2.Response:
    """Return the JSON document at an address, or the answer when it is another one than 200. Raises SourceRefused."""
    body = bytearray()
    with reached(url), client.stream("GET", url, headers=dict(headers)) as answer:
        for piece in answer.iter_bytes():
            body += piece
            if len(body) > _MOST_ANSWER_BYTES:
                raise SourceRefused(f"{shown(url)} answers with more than {_MOST_ANSWER_BYTES} bytes")
    if answer.status_code != 200:
        return answer
    try:
        return msgspec.json.decode(bytes(body), type=kind)
    except msgspec.DecodeError as error:
        raise SourceRefused(
            f"{host_of(url)} does not answer as a hub does ({error}); check the address in this node's settings"
        ) from error


def passing(host: str, status: int, headers: Mapping[str, str]) -> SourceRefused | None:
    """Return a refusal for a status that goes by itself, else None."""
    if status not in _PASSING:
        return None
    wait_s = _retry_after_s(headers)
    again = f"; it asks to wait {wait_s:g} s" if wait_s else ""
    why = "lets this node ask no more for now" if status == 429 else "does not work at the moment"
    return SourceRefused(f"{host} {why} ({status}){again}", is_retryable=True, retry_after_s=wait_s)


def joined(refusals: Sequence[SourceRefused]) -> SourceRefused:
    """Return one refusal for what all endpoints said."""
    if len(refusals) == 1:
        return refusals[0]
    return SourceRefused(
        "; ".join(dict.fromkeys(refusal.message for refusal in refusals)),
        is_retryable=any(refusal.is_retryable for refusal in refusals),
        retry_after_s=min(refusal.retry_after_s for refusal in refusals),
    )


def host_of(url: str) -> str:
    """Return host and port, for people."""
    found = urlsplit(url)
    return f"{found.hostname}:{found.port}" if found.port else (found.hostname or shown(url))


def shown(url: str) -> str:
    """Return an address without what may be secret: who asks, and what comes behind the question mark."""
    found = urlsplit(url)
    netloc = found.netloc.rpartition("@")[2]
    return f"{found.scheme}://{netloc}{found.path}"


def _retry_after_s(headers: Mapping[str, str]) -> float:
    """Return what Retry-After says, as seconds or as a date beside the answer's own; 0 when it says nothing."""
    told = headers.get("retry-after", "").strip()
    if told.isdigit():
        return min(float(told), _MOST_WAIT_S)
    with contextlib.suppress(ValueError, TypeError):
        until = email.utils.parsedate_to_datetime(told)
        wait_s = (until - email.utils.parsedate_to_datetime(headers.get("date", ""))).total_seconds()
        return min(max(0.0, wait_s), _MOST_WAIT_S)
    return 0.0
