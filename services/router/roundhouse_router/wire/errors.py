"""What goes wrong on the wire.

WireError
├── ConnectFailed    no connection: nobody there, no such name, TLS refused, too slow
├── HungUp           closed without a byte of an answer: nothing is known of what became of the request
├── Silent           nothing for longer than allowed
├── Broken           an answer that breaks off, or is no HTTP
└── TooLarge         an answer beyond the limit
ClientLeft           the client closed, or takes nothing
"""

from typing import Final

__all__ = [
    "CLIENT_LEFT",
    "CLIENT_STALLED",
    "CUT_OFF",
    "Broken",
    "ClientLeft",
    "ConnectFailed",
    "HungUp",
    "Silent",
    "TooLarge",
    "WireError",
]

CLIENT_LEFT: Final = "client_left"
CLIENT_STALLED: Final = "client_stalled"
CUT_OFF: Final = "router_stopped"
"""The router stops, and does not wait for the answer any longer."""


class WireError(Exception):
    """Something between us and an upstream. Its text is for logs: it names no key and quotes no body."""


class ConnectFailed(WireError):
    """There is no connection, so nothing was sent."""


class HungUp(WireError):
    """The connection was closed before the first byte of an answer."""


class Silent(WireError):
    """Nothing came for longer than allowed; the connection is closed."""


class Broken(WireError):
    """The answer breaks off, or breaks the rules of HTTP; the connection is closed."""


class TooLarge(WireError):
    """The answer is larger than the caller takes; the connection is closed."""


class ClientLeft(Exception):
    """The client closed its connection, or stopped reading, before the answer was complete. Its text is the reason."""
