"""What a browser may do with our pages: headers, and whose requests count as ours."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

__all__ = ["COOKIE", "content_policy", "headers", "is_own_origin", "safe_next"]

COOKIE: Final = "roundhouse_session"

_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)


def content_policy(nonce: str) -> str:
    """Return the Content-Security-Policy of a page whose own scripts carry the nonce.

    Nothing comes from elsewhere, no markup brings scripts, nobody frames us. Vue compiles the templates of components
    in the browser, which needs 'unsafe-eval'; inline styles are how Quasar places what floats.
    """
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' 'nonce-{nonce}' 'unsafe-eval'",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "media-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        )
    )


def headers(nonce: str, *, is_https: bool) -> list[tuple[bytes, bytes]]:
    """Return what every answer carries."""
    found = [*_HEADERS, (b"content-security-policy", content_policy(nonce).encode("ascii"))]
    if is_https:
        found.append((b"strict-transport-security", b"max-age=31536000"))
    return found


def is_own_origin(sent: Mapping[str, str], public_url: str) -> bool:
    """Say whether a request that changes something, or opens a socket, was made by one of our own pages.

    `sent` are its headers in lower case. Browsers state the origin of both; what states none is no browser's page and
    brings no cookie that its user did not give it.
    """
    origin = sent.get("origin", "")
    if not origin:
        return sent.get("sec-fetch-site", "same-origin") in ("same-origin", "none")
    if public_url and origin == public_url:
        return True
    return origin != "null" and urlsplit(origin).netloc == sent.get("host", "") != ""


def safe_next(path: str) -> str:
    """Return where to go after signing in: a path of ours, never another host."""
    if path.startswith("/") and not path.startswith(("//", "/\\")) and "\\" not in path and path.isprintable():
        return path
    return "/"
