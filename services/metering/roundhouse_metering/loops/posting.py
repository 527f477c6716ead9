"""POSTs to addresses that people gave: webhooks. Blocking, for a thread.

Who may name an address could else reach what only this host can reach. So names are resolved here, and the connection
goes to an address that was looked at: a name that resolves to something else the next time gains nothing.
"""

import http.client
import ipaddress
import socket
import ssl
import threading
from typing import Final
from urllib.parse import SplitResult, urlsplit

__all__ = ["NotSent", "Wire", "post"]

_TIMEOUT_S: Final = 10.0
"""Of each step: connecting, and any silence."""
_WHOLE_S: Final = 20.0
"""Of all together: an answer that trickles in ends here."""
_ANSWER_MOST: Final = 65_536


class NotSent(Exception):
    """It did not go out, or was not taken; it may be tried again."""

    def __init__(self, message: str, *, status: int = 0) -> None:
        """`status` is what was answered; 0: nothing."""
        super().__init__(message)
        self.status = status


class Wire:
    """What a POST goes over, so that somebody else can end it: a thread cannot be cancelled."""

    def __init__(self) -> None:
        self._connection: http.client.HTTPConnection | None = None
        self._is_cut = False

    def attach(self, connection: http.client.HTTPConnection) -> None:
        """Have it end with this. Raises NotSent when it was cut already."""
        self._connection = connection
        self.require_whole()

    def require_whole(self) -> None:
        """Raise NotSent when it was cut."""
        if self._is_cut:
            raise NotSent(f"no whole answer came within {_WHOLE_S:g} s")

    def cut(self) -> None:
        """End the POST now. Safe at any time, from any thread."""
        self._is_cut = True
        if self._connection is not None:
            _hang_up(self._connection)


def post(url: str, body: bytes, headers: dict[str, str], *, may_be_private: bool, wire: Wire | None = None) -> int:
    """POST it and return the status, a 2xx. Redirects are not followed. Raises NotSent for anything else."""
    try:
        status = _post(urlsplit(url), body, headers, may_be_private=may_be_private, wire=wire or Wire())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NotSent(f"{type(error).__name__}: {error}") from error
    if not 200 <= status < 300:
        raise NotSent(f"it answered {status}", status=status)
    return status


def _post(parts: SplitResult, body: bytes, headers: dict[str, str], *, may_be_private: bool, wire: Wire) -> int:
    if parts.hostname is None or parts.scheme not in ("http", "https"):
        raise NotSent("the address is not http:// or https:// with a host")
    is_secret = parts.scheme == "https"
    port = parts.port or (443 if is_secret else 80)
    connection = http.client.HTTPConnection(parts.hostname, port)
    # The connection finds an open socket, and opens none of its own.
    connection.sock = _connected(parts.hostname, port, may_be_private=may_be_private)
    end = threading.Timer(_WHOLE_S, wire.cut)
    end.daemon = True
    end.start()
    try:
        wire.attach(connection)
        if is_secret:
            context = ssl.create_default_context()
            connection.sock = context.wrap_socket(connection.sock, server_hostname=parts.hostname)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.putrequest("POST", path, skip_host=True, skip_accept_encoding=True)
        connection.putheader("host", parts.netloc.rpartition("@")[2])
        for name, value in {**headers, "content-length": str(len(body))}.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        answer.read(_ANSWER_MOST)
        wire.require_whole()  # half an answer reads like a whole one
        return answer.status
    except (OSError, http.client.HTTPException):
        wire.require_whole()  # whatever it was cut in the middle of
        raise
    finally:
        end.cancel()
        connection.close()


def _connected(host: str, port: int, *, may_be_private: bool) -> socket.socket:
    """Return a connection to an address of the host that may be used. Raises NotSent, and OSError."""
    found = [address[:2] for *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    allowed = [address for address in found if may_be_private or _is_public(str(address[0]))]
    if not allowed:
        refused = found[0][0] if found else host
        raise NotSent(f"{refused} is no public address, and ROUNDHOUSE_METERING_WEBHOOKS_TO_PRIVATE is not set")
    failure: OSError | None = None
    for address in allowed:
        try:
            return socket.create_connection((str(address[0]), port), timeout=_TIMEOUT_S)
        except OSError as error:
            failure = error
    raise failure or OSError("no address")


def _is_public(text: str) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    return address.is_global and not address.is_multicast


def _hang_up(connection: http.client.HTTPConnection) -> None:
    try:
        connection.sock.shutdown(socket.SHUT_RDWR)
    except (OSError, AttributeError):
        return  # it has ended by itself
