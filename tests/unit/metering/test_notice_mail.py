"""Mail over STARTTLS and SMTPS to a real server: only to one that proves who it is, and with the password only then."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from roundhouse_metering.loops.mail import send_mail
from roundhouse_metering.loops.posting import NotSent
from tests.support.certificates import own_certificate

pytestmark = [pytest.mark.contract("F05"), pytest.mark.filterwarnings("ignore:Requiring AUTH:UserWarning")]

USER, PASSWORD = "rh", "p@ss word"
LOGIN = "rh:p%40ss%20word"


class Mailbox:
    """What came to a server, and who logged in."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.logins: list[tuple[bytes, bytes]] = []
        self.encrypted: list[bool] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        self.envelopes.append(envelope)
        self.encrypted.append(
            server.transport is not None and server.transport.get_extra_info("ssl_object") is not None
        )
        return "250 taken"

    def authenticate(self, server: SMTP, session: Session, envelope: Envelope, kind: str, data: object) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login, data.password))
        is_known = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=is_known, handled=False)


@asynccontextmanager
async def serving(scheme: str, certificate: Path) -> AsyncIterator[tuple[Mailbox, str]]:
    """Serve on a free port; yield the mailbox, and HOST:PORT. `smtp` has no TLS at all."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    mailbox = Mailbox()
    has_starttls = scheme == "smtp+starttls"

    def protocol() -> SMTP:
        return SMTP(
            mailbox,
            authenticator=mailbox.authenticate,
            auth_required=scheme != "smtp",
            auth_require_tls=has_starttls,
            tls_context=context if has_starttls else None,
            require_starttls=has_starttls,
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(protocol, "127.0.0.1", 0, ssl=context if scheme == "smtps" else None)
    async with server:
        yield mailbox, f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def send(url: str) -> None:
    to = ("rh@example.com", "ann@example.com", "80 % is spent", "Look.")
    await asyncio.to_thread(send_mail, url, *to, notice_id="ntc_1")


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return own_certificate(tmp_path / "server.pem")


@pytest.mark.parametrize("scheme", ["smtp+starttls", "smtps"])
async def test_mail_goes_encrypted_to_a_server_that_proves_who_it_is(
    scheme: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with serving(scheme, certificate) as (mailbox, address):
        await send(f"{scheme}://{LOGIN}@{address}")
    [envelope] = mailbox.envelopes
    assert (envelope.mail_from, envelope.rcpt_tos) == ("rh@example.com", ["ann@example.com"])
    assert envelope.original_content is not None
    assert b"Message-ID: <ntc_1@example.com>" in envelope.original_content
    assert mailbox.logins == [(USER.encode(), PASSWORD.encode())]
    assert mailbox.encrypted == [True]


@pytest.mark.parametrize("scheme", ["smtp+starttls", "smtps"])
async def test_a_server_that_proves_nothing_gets_neither_mail_nor_password(scheme: str, certificate: Path) -> None:
    async with serving(scheme, certificate) as (mailbox, address):
        with pytest.raises(NotSent, match="certificate"):
            await send(f"{scheme}://{LOGIN}@{address}")
    assert (mailbox.logins, mailbox.envelopes) == ([], [])


async def test_without_starttls_nothing_is_sent_in_the_clear(certificate: Path) -> None:
    async with serving("smtp", certificate) as (mailbox, address):
        with pytest.raises(NotSent, match="STARTTLS"):
            await send(f"smtp+starttls://{LOGIN}@{address}")
    assert (mailbox.logins, mailbox.envelopes) == ([], [])


async def test_a_wrong_password_is_told(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with serving("smtps", certificate) as (mailbox, address):
        with pytest.raises(NotSent, match="535") as refused:
            await send(f"smtps://rh:wrong@{address}")
    assert "wrong" not in str(refused.value)
    assert mailbox.envelopes == []


@pytest.mark.parametrize("recipient", ["a@", "a@[", "undisclosed:;@", "=?utf-8?q?=0aBcc:x?=@a"])
def test_an_address_that_is_none_fails_like_a_server_that_is_away(recipient: str) -> None:
    with pytest.raises(NotSent, match="no address"):
        send_mail("smtp://127.0.0.1:9", "rh@example.com", recipient, "s", "t", notice_id="ntc_1")
