"""Requests out of bytes: httptools parses, and what it lets pass but we do not is refused here."""

import urllib.parse
from typing import TYPE_CHECKING, Final

import httptools

from roundhouse_router.wire.exchange import Exchange
from roundhouse_router.wire.heads import LOWERED
from roundhouse_router.wire.incoming import Incoming

if TYPE_CHECKING:
    from roundhouse_router.wire.connection import Connection

__all__ = ["Reader", "Refusal"]

_ONCE: Final = frozenset(
    (b"host", b"content-length", b"transfer-encoding", b"authorization", b"content-type", b"expect")
)
_OFFER: Final = frozenset((b"connection", b"upgrade", b"http2-settings"))
_METHODS: Final = {name.encode(): name for name in ("GET", "POST", "HEAD", "DELETE", "OPTIONS")}
_LOWERED: Final = LOWERED
_SPLIT: Final[dict[bytes, tuple[str, bytes]]] = {}
"""URLs that came lately: clients of one API ask for few. Bounded, then emptied."""
_KEPT_MOST: Final = 256
_KEPT_BYTES: Final = 200
_SPACE: Final = ord(" ")
"""No whitespace is above it."""
_OVERHEAD_SHARE: Final = 16
"""Chunked bodies may be this much larger on the wire than in fact: chunks of one byte are six."""


class Refusal(Exception):
    """The request is answered here, and the connection closed."""

    def __init__(self, status: int, message: str, code: str = "bad_request") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code


class Reader:
    """Heads that are whole become exchanges in `ready`; `incoming` is the one whose body is not whole yet."""

    __slots__ = (
        "_connection",
        "_header_count",
        "_headers",
        "_overhead",
        "_parser",
        "_pieces",
        "_upgrading",
        "_url",
        "_url_bytes",
        "head_bytes",
        "incoming",
        "on_body",
        "ready",
        "refusal",
    )

    def __init__(self, connection: "Connection") -> None:
        self._connection = connection
        self._header_count = connection.limits.header_count
        self._url_bytes = connection.limits.url_bytes
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._pieces: list[bytes] = []
        self._overhead = 0
        self._upgrading = b""
        """The head of a request that offered HTTP/2, without the offer."""
        self.head_bytes = 0
        """What came of a head that is not whole."""
        self.incoming: Exchange | None = None
        self.ready: list[Exchange] = []
        self.refusal: Refusal | None = None
        self.on_body = self._pieces.append  # spares a call per piece
        self._parser = httptools.HttpRequestParser(self)

    def feed(self, data: bytes | memoryview) -> None:
        """Parse. After a mistake `refusal` is set, and nothing may be fed any more."""
        incoming = self.incoming
        self._parse(data)
        if self.incoming is not None:
            self._hand_over(self.incoming, len(data) if incoming is self.incoming else 0)
        elif self.ready or incoming is not None:
            self.head_bytes = 0
        else:
            self._count_head(len(data))

    def next(self) -> Exchange:
        """Take the oldest of `ready`."""
        ready = self.ready
        return ready.pop() if len(ready) == 1 else ready.pop(0)

    def close(self) -> None:
        """Let go of the parser and of the connection: they hold this reader, and it them."""
        del self._parser, self.on_body, self._connection

    # The parser's side

    def on_url(self, url: bytes) -> None:
        self._url = self._url + url if self._url else url

    def on_header(self, name: bytes, value: bytes) -> None:
        name = _LOWERED.get(name) or name.lower()
        headers = self._headers
        if name in headers:
            value = self._joined(name, value)
        if value and value[-1] <= _SPACE:
            value = value.rstrip()
        headers[name] = value

    def on_headers_complete(self) -> None:
        url, self._url = self._url, b""
        headers, self._headers = self._headers, {}
        parser = self._parser
        is_kept = parser.should_keep_alive()
        is_old = False
        if b"upgrade" in headers and parser.should_upgrade() and self._offers_http2(url, headers):
            return
        if b"connection" in headers or not is_kept or not url.startswith(b"/"):
            is_old = self._check_unusual(headers, url)
        if len(headers) > self._header_count:
            raise Refusal(431, f"There are more than {self._header_count} headers.", "headers_too_large")
        if len(url) > self._url_bytes:
            raise Refusal(414, f"The URL is longer than {self._url_bytes} bytes.", "uri_too_long")
        if b"host" not in headers and not is_old:
            raise Refusal(400, "The header host is missing.")
        if b"transfer-encoding" in headers and (is_old or headers[b"transfer-encoding"].lower() != b"chunked"):
            raise Refusal(400, "The only transfer-encoding that is taken is chunked, in HTTP/1.1.")
        path, query = _SPLIT.get(url) or _split(url)
        method = parser.get_method()
        self.incoming = Exchange(
            self._connection, _METHODS.get(method) or method.decode("ascii"), path, query, headers, is_kept, is_old
        )
        self.ready.append(self.incoming)

    def on_message_complete(self) -> None:
        exchange, self.incoming = self.incoming, None
        if exchange is None:
            return
        if self._headers:
            self._headers = {}  # trailers, which nothing needs
        pieces = self._pieces
        if exchange.incoming is None:
            exchange.whole = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        else:
            exchange.incoming.feed(pieces)
            exchange.incoming.complete()
        pieces.clear()

    # Checks

    def _check_unusual(self, headers: dict[bytes, bytes], url: bytes) -> bool:
        """Return whether this is HTTP/1.0."""
        version = self._parser.get_http_version()
        if version not in ("1.1", "1.0"):
            raise Refusal(505, "Only HTTP/1.1 and HTTP/1.0 are spoken here.", "http_version_not_supported")
        if self._parser.should_upgrade():
            raise Refusal(400, "Upgrades and CONNECT are not supported here.", "upgrade_not_supported")
        return bool(version == "1.0")

    def _offers_http2(self, url: bytes, headers: dict[bytes, bytes]) -> bool:
        """Whether the upgrade may be ignored, as RFC 9110 allows: Java's HTTP client offers one with every request."""
        if headers[b"upgrade"].lower() != b"h2c" or self._parser.get_http_version() != "1.1":
            return False
        kept = {name: value for name, value in headers.items() if name not in _OFFER}
        lines = [b"%b %b HTTP/1.1" % (self._parser.get_method(), url), *(b"%b: %b" % line for line in kept.items())]
        self._upgrading = b"\r\n".join([*lines, b"\r\n"])
        return True

    def _parse(self, data: bytes | memoryview) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # To this parser the rest is another protocol; another one reads the request without its offer.
            head, self._upgrading = self._upgrading, b""
            self._parser = httptools.HttpRequestParser(self)
            self._parse(head)
            if self.refusal is None:
                self._parse(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self._failed(error)

    def _joined(self, name: bytes, value: bytes) -> bytes:
        if name in _ONCE:
            raise Refusal(400, f"The header {name.decode()} came twice.")
        return self._headers[name] + b", " + value

    def _count_head(self, size: int) -> None:
        limits = self._connection.limits
        self.head_bytes += size
        if self.refusal is None and len(self._url) > self._url_bytes:
            self.refusal = Refusal(414, f"The URL is longer than {self._url_bytes} bytes.", "uri_too_long")
        elif self.refusal is None and self.head_bytes > limits.head_bytes:
            self.refusal = Refusal(431, f"The headers are larger than {limits.head_bytes} bytes.", "headers_too_large")

    def _hand_over(self, exchange: Exchange, came: int) -> None:
        """Give what came of a body to whoever reads it."""
        body = exchange.incoming
        if body is None:
            length = exchange.headers.get(b"content-length")
            announced = None if b"transfer-encoding" in exchange.headers else int(length or 0)
            body = exchange.incoming = Incoming(announced, self._connection.awaited)
            self._overhead = 0
        before = body.size
        body.feed(self._pieces)
        self._pieces.clear()
        self._overhead += came - (body.size - before)
        if self._overhead > self._connection.limits.head_bytes + _OVERHEAD_SHARE * body.size and self.refusal is None:
            self.refusal = Refusal(400, "There is more framing than body.")

    def _failed(self, error: httptools.HttpParserError) -> None:
        if isinstance(error.__context__, Refusal):
            self.refusal = error.__context__
            return
        last = self.ready[-1] if self.ready else self._connection.answering
        if last is not None and self.incoming is None and not last.is_kept:
            return  # something behind the last request of the connection: nobody will look at it
        self.refusal = Refusal(400, f"This is no HTTP request that can be read: {error}.")


def _split(url: bytes) -> tuple[str, bytes]:
    """Return the decoded path and the query."""
    path, _, query = url.partition(b"?")
    if path[:1] != b"/" and url != b"*":
        parsed = httptools.parse_url(url)
        path, query = parsed.path or b"/", parsed.query or b""
    elif b"#" in url:
        parsed = httptools.parse_url(url)
        path, query = parsed.path, parsed.query or b""
    text = path.decode("ascii")
    split = (urllib.parse.unquote(text) if "%" in text else text), query
    if not query and len(url) <= _KEPT_BYTES:  # a query may hold a secret
        if len(_SPLIT) >= _KEPT_MOST:
            _SPLIT.clear()
        _SPLIT[url] = split
    return split
