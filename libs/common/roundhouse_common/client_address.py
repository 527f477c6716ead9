"""Where a request comes from, also through proxies: only what a trusted one wrote is believed."""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

__all__ = ["Address", "ForwardedHeader", "Network", "Proxies", "networks", "parse_address"]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
ForwardedHeader = Literal["x-forwarded-for", "forwarded"]

_MOST_HOPS: Final = 20


@lru_cache(maxsize=4096)
def parse_address(text: str) -> Address | None:
    """Return the address, an IPv4 one also where it comes as `::ffff:10.0.0.1`; None for what is none."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def networks(ranges: Iterable[str]) -> tuple[Network, ...]:
    """Return the networks of these CIDR texts; a single address is one too. Raises ValueError that names the text."""
    found: list[Network] = []
    for text in ranges:
        try:
            found.append(ipaddress.ip_network(text))
        except ValueError as error:
            raise ValueError(f"{text!r} is not a network such as 10.0.0.0/8 or 2001:db8::/32: {error}") from None
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxies:
    """The proxies in front of a service, and the header in which they say whom they speak for.

    One header only: a proxy that writes one passes on what clients wrote into the other.
    """

    trusted: tuple[Network, ...] = ()
    header: ForwardedHeader = "x-forwarded-for"

    def client_of(self, peer: str, headers: Mapping[bytes, bytes]) -> str:
        """Return the client's address: the peer's, or what the trusted proxies behind it say, seen from our side.

        `headers` has lower-case names. What cannot be read ends the way back: the proxy that sent it is the client.
        """
        if not self.trusted or not self._is_trusted(parse_address(peer)):
            return peer
        told = headers.get(self.header.encode(), b"").decode("latin-1")
        client = peer
        for hop in reversed(told.split(",")[-_MOST_HOPS:]):
            address = parse_address(_host(hop if self.header == "x-forwarded-for" else _for_of(hop)))
            if address is None:
                return client
            client = str(address)
            if not self._is_trusted(address):
                return client
        return client

    def _is_trusted(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self.trusted)


def _for_of(element: str) -> str:
    """Return the `for` of one element of a `Forwarded` header (RFC 7239)."""
    for pair in element.split(";"):
        name, _, value = pair.partition("=")
        if name.strip().lower() == "for":
            return value.strip().strip('"')
    return ""


def _host(text: str) -> str:
    """Return the address without a port: of `10.0.0.1:80`, of `[::1]:80`, and of `::1`."""
    text = text.strip()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text
