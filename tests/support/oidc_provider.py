"""A real identity provider on loopback: `oidc-provider-mock`, which is Authlib's server, held to PKCE here."""

import base64
import hashlib
import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import oidc_provider_mock
from werkzeug.serving import make_server

__all__ = ["IdentityProvider", "identity_provider"]

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@dataclass
class IdentityProvider:
    """Where it listens, and how somebody logs in at it."""

    issuer: str
    refused_verifiers: int = 0
    challenges: dict[str, str] = field(default_factory=dict)
    """By authorization code."""

    def knows(self, subject: str, **claims: Any) -> None:
        """Let it say this about somebody."""
        httpx.put(f"{self.issuer}/users/{subject}", json=claims, trust_env=False).raise_for_status()

    def log_in(self, address: str, subject: str, *, denies: bool = False) -> str:
        """Log in as somebody would who was sent there, and return where the browser is sent then."""
        form = {"action": "deny"} if denies else {"sub": subject}
        answer = httpx.post(address, data=form, trust_env=False)
        assert answer.status_code == 302, answer.text
        location = answer.headers["location"]
        for code in parse_qs(urlsplit(location).query).get("code", ()):
            [self.challenges[code]] = parse_qs(urlsplit(address).query)["code_challenge"]
        return location


@contextmanager
def identity_provider() -> Iterator[IdentityProvider]:
    """Run it until the block ends."""
    provider = IdentityProvider(issuer="")
    app = oidc_provider_mock.app(require_nonce=True)
    server = make_server("localhost", 0, _with_pkce(app.wsgi_app, provider), threaded=True)
    provider.issuer = f"http://localhost:{server.server_port}"
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _with_pkce(app: Wsgi, provider: IdentityProvider) -> Wsgi:
    """Refuse codes that come without the verifier of their challenge (RFC 7636), which the server leaves out."""

    def checked(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/oauth2/token":
            return app(environ, start)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        hashed = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(hashed).rstrip(b"=").decode() != provider.challenges.get(form.get("code", "")):
            provider.refused_verifiers += 1
            start("400 Bad Request", [("content-type", "application/json")])
            return [b'{"error": "invalid_grant"}']
        return app(environ, start)

    return checked
