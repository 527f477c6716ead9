"""One TLS context for all HTTP clients of the tests: reading the system's certificates takes longer than most tests.

Only clients that were told nothing share it; who names certificates of its own gets a context of its own.
"""

import functools
import os
import ssl
from collections.abc import Callable
from importlib import import_module

__all__: list[str] = []

_FILES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def _shared(make: Callable[..., ssl.SSLContext]) -> Callable[..., ssl.SSLContext]:
    @functools.cache
    def once(trust_env: bool, *_files: str | None) -> ssl.SSLContext:
        return make(True, None, trust_env)

    def create_ssl_context(verify: object = True, cert: object = None, trust_env: bool = True) -> ssl.SSLContext:
        if verify is not True or cert is not None:
            return make(verify, cert, trust_env)
        return once(trust_env, *map(os.environ.get, _FILES))

    return create_ssl_context


for _library in ("httpx", "httpx2"):
    _transport = import_module(f"{_library}._transports.default")
    _transport.create_ssl_context = _shared(_transport.create_ssl_context)  # type: ignore[attr-defined]
