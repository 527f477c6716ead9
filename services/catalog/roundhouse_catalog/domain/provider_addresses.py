"""Where a provider is, and what is sent with every request to it.

Only who may write providers states addresses, so any host may be named, one beside the router too (LM Studio, Ollama,
Jan). What no provider is at are the addresses at which clouds tell a machine its credentials: they are refused.
"""

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

from roundhouse_catalog.domain.findings import quoted

__all__ = ["address_fault", "header_fault", "origin"]

_MOST_URL_CHARACTERS: Final = 2048
_MOST_VALUE_CHARACTERS: Final = 2048
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_FRAMING: Final = frozenset(
    (
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
_SECRET: Final = frozenset(("api-key", "authorization", "cookie", "proxy-authorization", "x-api-key", "x-goog-api-key"))
_METADATA_HOSTS: Final = frozenset(("metadata.google.internal", "metadata.goog", "instance-data"))
_METADATA_ADDRESSES: Final = frozenset(map(ipaddress.ip_address, ("fd00:ec2::254", "100.100.100.200", "168.63.129.16")))


def address_fault(url: str) -> str | None:
    """The base address of an API."""
    example = "state an address such as https://api.example.com/v1"
    if not url or len(url) > _MOST_URL_CHARACTERS or not url.isascii() or not url.isprintable() or " " in url:
        return f"{quoted(url)} found; {example}, in ASCII, of {_MOST_URL_CHARACTERS} characters at most"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        return f"{quoted(url)} is no address ({error}); {example}"
    if parts.username is not None or parts.password is not None:
        return f"it has credentials in it; {example}, and give the secret as a key"  # not quoted: it may be a secret
    if parts.scheme not in {"http", "https"} or not host or port == 0:
        return f"{quoted(url)} found; {example}"
    if "?" in url or "#" in url:
        return "it has a query or a fragment; a key in it belongs into the provider's keys, all else into `headers`"
    if ".." in parts.path.split("/"):
        return f"{quoted(parts.path)} leads upwards; state the path that is meant"
    return _host_fault(host)


def origin(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of an address without faults: who gets the keys."""
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").rstrip("."), parts.port or (443 if parts.scheme == "https" else 80)


def header_fault(name: str, value: str) -> str | None:
    """A header that goes with every request. It is shown to who may read providers, so it is no place for a secret."""
    lower = name.lower()
    if not _HEADER.fullmatch(name):
        return f"{quoted(name)} is no name of a header"
    if lower in _FRAMING:
        return f"the router sets {lower} itself; leave it out"
    if lower in _SECRET:
        return f"{lower} carries a secret, and headers are shown; give the secret as a key of the provider"
    if len(value) > _MOST_VALUE_CHARACTERS or value != value.strip() or not (value.isascii() and value.isprintable()):
        return f"a value is printable ASCII without blanks around it, of {_MOST_VALUE_CHARACTERS} characters at most"
    return None


def _host_fault(host: str) -> str | None:
    refused = f"{quoted(host)} is where clouds tell machines their credentials, and no provider; state the provider's"
    if host.rstrip(".").lower() in _METADATA_HOSTS:
        return refused
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None) or address
    if mapped.is_link_local or mapped in _METADATA_ADDRESSES:
        return refused
    if mapped.is_unspecified or mapped.is_multicast:
        return f"{quoted(host)} is the address of no host; state the provider's"
    return None
