"""Sends a notice: by HTTP, or by mail. Blocking, for a thread."""

import http.client
import ipaddress
import smtplib
import ssl
from email.message import EmailMessage
from typing import Final
from urllib.parse import unquote, urlsplit

__all__ = ["NotSent", "post", "send_mail"]

_TIMEOUT_S: Final = 10.0
_ANSWER_MOST: Final = 65_536
_SCHEMES: Final = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}


class NotSent(Exception):
    """It did not go out; it may be tried again."""


def post(url: str, body: bytes, headers: dict[str, str], *, may_be_private: bool) -> None:
    """POST it. Redirects are not followed. Raises NotSent for anything but 2xx."""
    parts = urlsplit(url)
    if parts.hostname is None:
        raise NotSent("the address names no host")
    try:
        if parts.scheme == "https":
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                parts.hostname, parts.port, timeout=_TIMEOUT_S, context=ssl.create_default_context()
            )
        else:
            connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=_TIMEOUT_S)
        try:
            connection.connect()
            # Asked of the connection itself: a name may resolve to something else the next time.
            peer = ipaddress.ip_address(connection.sock.getpeername()[0])
            if not may_be_private and not peer.is_global:
                raise NotSent(f"{peer} is no public address, and ROUNDHOUSE_METERING_WEBHOOKS_TO_PRIVATE is not set")
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("POST", path, body, {"content-type": "application/cloudevents+json", **headers})
            answer = connection.getresponse()
            answer.read(_ANSWER_MOST)
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NotSent(f"{type(error).__name__}: {error}") from error
    if not 200 <= answer.status < 300:
        raise NotSent(f"it answered {answer.status}")


def send_mail(smtp_url: str, sender: str, recipient: str, subject: str, text: str, *, notice_id: str) -> None:
    """Hand a mail to the server. The notice's id makes its Message-ID, so that a repetition can be told. Raises
    NotSent."""
    if not smtp_url:
        raise NotSent("there is no mail server: set ROUNDHOUSE_METERING_SMTP_URL")
    parts = urlsplit(smtp_url)
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = sender, recipient, subject
    mail["Message-ID"] = f"<{notice_id}@{sender.rpartition('@')[2] or 'roundhouse'}>"
    mail.set_content(text)
    host, port = parts.hostname or "", parts.port or _SCHEMES[parts.scheme]
    try:
        kind = smtplib.SMTP_SSL if parts.scheme == "smtps" else smtplib.SMTP
        with kind(host, port, timeout=_TIMEOUT_S) as server:
            if parts.scheme == "smtp+starttls":
                server.starttls(context=ssl.create_default_context())
            if parts.username:
                server.login(unquote(parts.username), unquote(parts.password or ""))
            server.send_message(mail)
    except (OSError, smtplib.SMTPException, ValueError) as error:
        raise NotSent(f"{type(error).__name__}: {error}") from error
