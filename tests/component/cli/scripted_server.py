"""An HTTP server that answers what a test wrote down, and remembers what it was asked."""

import json
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any
    """Any: decoded JSON, or None."""
    content: bytes


@dataclass
class Scripted:
    """The script: answers by method and path. The last answer of a path is given again and again."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    answers: dict[tuple[str, str], list[tuple[int, bytes, dict[str, str]]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def on(
        self, method: str, path: str, body: object, *, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        """Answer the path with this: bytes as they are, anything else as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = "application/json" if status < 400 else "application/problem+json"
        self.answers[method, path].append((status, content, {"content-type": kind, **(headers or {})}))

    def items(self, path: str, *found: object) -> None:
        """Answer a listing with one page."""
        self.on("GET", path, {"items": list(found), "next_cursor": None})

    def last(self, method: str) -> Asked:
        return [asked for asked in self.asked if asked.method == method][-1]


@contextmanager
def scripted_server() -> Iterator[Scripted]:
    """Serve a script on a free port."""
    script = Scripted()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            parts = urlsplit(self.path)
            content = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            is_json = headers.get("content-type", "").startswith("application/json")
            body = json.loads(content) if content and is_json else None
            script.asked.append(Asked(self.command, parts.path, dict(parse_qsl(parts.query)), headers, body, content))
            planned = script.answers.get((self.command, parts.path))
            unplanned: tuple[int, bytes, dict[str, str]]
            unplanned = (404, json.dumps({"detail": f"no answer for {self.command} {parts.path}"}).encode(), {})
            status, content, more = (planned.pop(0) if len(planned) > 1 else planned[0]) if planned else unplanned
            self.send_response(status)
            for name, value in {**more, "content-length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 - the names that http.server looks for

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the signature of http.server
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        script.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield script
        server.shutdown()
        thread.join()
