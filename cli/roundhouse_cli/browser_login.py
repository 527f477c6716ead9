"""Logging in with a browser: the answer comes back to a port of this machine (RFC 8252), bound to us by PKCE."""

import base64
import hashlib
import secrets
import webbrowser
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx

from roundhouse_cli.errors import Failure
from roundhouse_cli.rest import Item
from roundhouse_cli.saved_login import post

__all__ = ["log_in_with_browser"]

_WAIT_S = 600.0
_DONE = b"<!doctype html><title>Roundhouse</title><p>You can close this window and go back to the terminal."


class _Answers(HTTPServer):
    """Waits for one browser to bring an answer."""

    query: dict[str, str] | None = None
    timeout = _WAIT_S


class _Handler(BaseHTTPRequestHandler):
    server: _Answers

    def do_GET(self) -> None:
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        is_answer = "state" in query
        self.send_response(200 if is_answer else 404)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.end_headers()
        if is_answer:
            self.wfile.write(_DONE)
            self.server.query = query

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Say nothing: the line would have the code."""


def log_in_with_browser(
    http: httpx.Client,
    catalog_url: str,
    provider: str,
    *,
    tenant: str,
    tell: Callable[[str], None],
    open_browser: Callable[[str], bool] = webbrowser.open,
) -> Item:
    """Return the tokens of a login at the identity provider. Raises Failure, Refused or Unreachable."""
    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
    hashed = hashlib.sha256(verifier.encode()).digest()
    with _Answers(("127.0.0.1", 0), _Handler) as server:
        query = {
            "redirect_uri": f"http://127.0.0.1:{server.server_port}/",
            "state": state,
            "code_challenge": base64.urlsafe_b64encode(hashed).rstrip(b"=").decode(),
        }
        address = f"{catalog_url.rstrip('/')}/api/v1/login/oidc/{provider}?{urlencode(query)}"
        tell(f"Log in with the browser at {address}")
        open_browser(address)
        answer = _awaited(server)
    if answer.get("state") != state:
        raise Failure("The browser brought the answer of another login; try again.")
    if "code" not in answer:
        raise Failure(
            f"The login failed: {answer.get('error_description') or answer.get('error') or 'no reason given'}"
        )
    body = {"code": answer["code"], "code_verifier": verifier, **({"tenant": tenant} if tenant else {})}
    return post(http, catalog_url, "/api/v1/sessions:redeem", body)


def _awaited(server: _Answers) -> dict[str, str]:
    """Return the query that a browser brings. Browsers also ask for other things, such as icons."""
    for _ in range(20):
        server.handle_request()
        if server.query is not None:
            return server.query
    raise Failure("No browser brought an answer in ten minutes.")
