"""How a POST to an address that somebody gave goes out: over TLS that is checked, not to the inside, not for ever."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from roundhouse_metering.loops import posting
from roundhouse_metering.loops.posting import NotSent, post
from tests.support.certificates import own_certificate


@asynccontextmanager
async def answering(answer: bytes, *, tls: ssl.SSLContext | None = None, pause_s: float = 0) -> AsyncIterator[int]:
    """Answer with these bytes, with a pause before each of them if one is wanted; yield the port."""

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            for piece in [answer] if not pause_s else [answer[at : at + 1] for at in range(len(answer))]:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause_s)
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0, ssl=tls)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def sent(url: str, *, may_be_private: bool = True) -> int:
    return await asyncio.to_thread(post, url, b"{}", {"content-type": "x"}, may_be_private=may_be_private)


async def test_tls_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = own_certificate(tmp_path / "own.pem")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    async with answering(b"HTTP/1.1 204 x\r\n\r\n", tls=tls) as port:
        with pytest.raises(NotSent, match="CERTIFICATE_VERIFY_FAILED"):
            await sent(f"https://127.0.0.1:{port}/")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert await sent(f"https://127.0.0.1:{port}/") == 204
        with pytest.raises(NotSent, match="match"):
            await sent(f"https://localhost:{port}/")


@pytest.mark.parametrize("pause_s", [0.01, 0.1])
async def test_an_answer_that_trickles_in_ends(monkeypatch: pytest.MonkeyPatch, pause_s: float) -> None:
    monkeypatch.setattr(posting, "_WHOLE_S", 0.2)
    began = time.monotonic()
    async with answering(b"HTTP/1.1 200 " + b"x" * 100, pause_s=pause_s) as port:
        with pytest.raises(NotSent, match="no whole answer"):
            await sent(f"http://127.0.0.1:{port}/")
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("status", [301, 302, 307, 404, 500])
async def test_only_2xx_is_taken_and_redirects_are_not_followed(status: int) -> None:
    async with answering(
        b"HTTP/1.1 %d x\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n" % status
    ) as port:
        with pytest.raises(NotSent) as failure:
            await sent(f"http://127.0.0.1:{port}/")
    assert failure.value.status == status


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254"),
        *("100.64.0.1", "224.0.0.1", "255.255.255.255", "[::1]", "[::ffff:127.0.0.1]", "[fd00::1]", "[fe80::1]"),
        *("2130706433", "0x7f000001", "127.1"),
    ],
)
async def test_nothing_goes_inside(host: str) -> None:
    with pytest.raises(NotSent, match=r"no public address|gaierror"):
        await sent(f"http://{host}:9/", may_be_private=False)


async def test_what_answers_no_http_is_an_error() -> None:
    async with answering(b"\0" * 100 + b"\r\n\r\n") as port:
        with pytest.raises(NotSent):
            await sent(f"http://127.0.0.1:{port}/")
