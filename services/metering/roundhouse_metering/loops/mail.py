"""Sends a notice by mail. Blocking, for a thread."""

import smtplib
import ssl
from email.message import EmailMessage
from typing import Final
from urllib.parse import unquote, urlsplit

from roundhouse_metering.loops.posting import NotSent

__all__ = ["send_mail"]

_TIMEOUT_S: Final = 10.0
_SCHEMES: Final = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}


def send_mail(smtp_url: str, sender: str, recipient: str, subject: str, text: str, *, notice_id: str) -> None:
    """Hand a mail to the server. The notice's id makes its Message-ID, so that a repetition can be told.

    Raises NotSent, also when a server that should prove who it is does not: the password is for no other.
    """
    if not smtp_url:
        raise NotSent("there is no mail server: set ROUNDHOUSE_METERING_SMTP_URL")
    parts = urlsplit(smtp_url)
    mail = _mail(sender, recipient, subject, text, notice_id)
    host, port = parts.hostname or "", parts.port or _SCHEMES[parts.scheme]
    try:
        with _connected(parts.scheme, host, port) as server:
            if parts.username:
                server.login(unquote(parts.username), unquote(parts.password or ""))
            server.send_message(mail)
    except (OSError, smtplib.SMTPException, ValueError) as error:
        raise NotSent(f"{type(error).__name__}: {error}") from error


def _mail(sender: str, recipient: str, subject: str, text: str, notice_id: str) -> EmailMessage:
    """Return the mail. Raises NotSent: what the standard library makes of an odd address can be any error."""
    mail = EmailMessage()
    try:
        mail["From"], mail["To"], mail["Subject"] = sender, recipient, subject
    except (ValueError, LookupError, AttributeError, TypeError) as error:
        raise NotSent(f"{recipient!r} is no address that mail can go to: {error}") from error
    mail["Message-ID"] = f"<{notice_id}@{sender.rpartition('@')[2] or 'roundhouse'}>"
    mail.set_content(text)
    return mail


def _connected(scheme: str, host: str, port: int) -> smtplib.SMTP:
    """Return the connection. smtplib's own TLS, without a context, would believe any certificate."""
    if scheme == "smtps":
        return smtplib.SMTP_SSL(host, port, timeout=_TIMEOUT_S, context=ssl.create_default_context())
    server = smtplib.SMTP(host, port, timeout=_TIMEOUT_S)
    if scheme == "smtp+starttls":
        try:
            server.starttls(context=ssl.create_default_context())
        except BaseException:
            server.close()
            raise
    return server
