"""Which of this host's addresses others reach it at."""

import ipaddress
import socket
from contextlib import suppress

from roundhouse_cli.local.layout import LOOPBACK

__all__ = ["address_towards", "own_address"]

_ANYWHERE = "192.0.2.1"
"""Nobody has it (RFC 5737), and nothing is sent to it: it only makes the kernel choose a route."""
_ANY_PORT = 9


def own_address(listen: str) -> str:
    """Return the address to name to others when this host listens on `listen`."""
    return address_towards(_ANYWHERE) if ipaddress.ip_address(listen).is_unspecified else listen


def address_towards(host: str) -> str:
    """Return the address this host speaks from when it speaks to `host`; loopback when there is no way to it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):
        probe.connect((host, _ANY_PORT))
        found: str = probe.getsockname()[0]
        return found
    return LOOPBACK
