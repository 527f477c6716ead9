"""How webhooks are signed: as Standard Webhooks 1.0 says, with secrets that are made from one key and kept nowhere."""

import base64
import hashlib
import hmac
from collections.abc import Sequence

__all__ = ["signature", "signed_headers", "webhook_secret"]


def webhook_secret(key: bytes, of: str) -> str:
    """Return a secret: each thing its own, all from one key. `of` says what for, e.g. `budget-webhook/bud_1`."""
    digest = hmac.digest(key, of.encode(), hashlib.sha256)
    return "whsec_" + base64.b64encode(digest).decode()


def signature(secret: str, message_id: str, sent_at: int, body: bytes) -> str:
    """Return one signature of `webhook-signature`: over the id, the time and the body."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{message_id}.{sent_at}.".encode() + body, hashlib.sha256)
    return "v1," + base64.b64encode(digest).decode()


def signed_headers(secrets: Sequence[str], message_id: str, sent_at: int, body: bytes) -> dict[str, str]:
    """Return the three headers. While a secret is replaced there are two, and a signature by each."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(sent_at),
        "webhook-signature": " ".join(signature(secret, message_id, sent_at, body) for secret in secrets),
    }
