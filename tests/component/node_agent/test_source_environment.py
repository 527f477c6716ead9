"""Sources are asked through the environment's proxy, and authorities of one's own are taken from it."""

import functools
import http.server
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from roundhouse_common.contracts.catalog import ModelSource, SourceKind
from roundhouse_node_agent.sources.http import HttpFile
from roundhouse_node_agent.sources.source import SourceOptions, SourceRefused
from tests.support.certificates import own_certificate
from tests.support.hub_server import HubServer

_OPTIONS = SourceOptions(connect_timeout_s=3.0, answer_timeout_s=3.0)


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Return the address of a server with a certificate of its own making, and that certificate."""
    directory, certificate = tmp_path / "files", tmp_path / "own.pem"
    directory.mkdir()
    (directory / "a.gguf").write_bytes(b"GGUF")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own_certificate(certificate))
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(directory))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"https://127.0.0.1:{server.server_address[1]}/a.gguf", certificate
        server.shutdown()
        thread.join()


def _source(uri: str) -> ModelSource:
    return ModelSource(kind=SourceKind.HTTP, uri=uri)


def test_an_authority_of_one_s_own_is_named_in_the_environment(
    tls: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, certificate = tls
    with pytest.raises(SourceRefused) as refused:
        HttpFile(_OPTIONS).plan(_source(url))
    assert "is not trusted on this node; name your authority in SSL_CERT_FILE" in refused.value.message
    assert not refused.value.is_retryable
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert HttpFile(_OPTIONS).plan(_source(url)).files[0].size == 4
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere.pem")
    with pytest.raises(SourceRefused, match=r"proxy or certificate settings \(SSL_CERT_FILE\) are wrong"):
        HttpFile(_OPTIONS).plan(_source(url))


def test_the_environment_s_proxy_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with HubServer() as proxy:
        proxy.add_file("a.gguf", b"GGUF")
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "")
        plan = HttpFile(_OPTIONS).plan(_source("http://models.invalid/files/a.gguf"))
        assert plan.files[0].size == 4
        assert proxy.asked[0].headers["Host"] == "models.invalid"
        monkeypatch.setenv("NO_PROXY", "models.invalid")
        with pytest.raises(SourceRefused, match=r"models\.invalid cannot be reached"):
            HttpFile(_OPTIONS).plan(_source("http://models.invalid/files/a.gguf"))
