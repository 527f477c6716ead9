"""A local model hub for tests: the Hugging Face Hub's and ModelScope's protocols, plain files and catalog uploads.

    with HubServer() as hub:
        commit = hub.add("owner/name", {"config.json": b"{}", "model.safetensors": Path(...)})
        hub.fail(Fault.CUT, "*model.safetensors", after_bytes=1000)      # the next answer with its bytes
        HfApi(endpoint=hub.url).model_info("owner/name", files_metadata=True)
        hub.sent_bytes("*model.safetensors")

The Hub's own real client works against it; tests/component/node_agent/test_hub_server.py proves that. It
runs in a thread.
Large files are redirected to a "content delivery network": another host name on the same port, which refuses tokens.
"""

import asyncio
import threading
from collections.abc import Mapping
from fnmatch import fnmatchcase
from types import TracebackType
from typing import Self

from aiohttp import web

from tests.support.hub_answers import Asked, Fault, Planned, Responder
from tests.support.hub_blobs import Blob, Content, Repository
from tests.support.hub_routes import routes

__all__ = ["Asked", "Fault", "HubServer"]


class HubServer:
    """Serves until it is left. Everything may be called from any thread."""

    def __init__(self) -> None:
        self.url = ""
        self.repositories: dict[str, Repository] = {}
        self.files: dict[str, Blob] = {}
        self.uploads: dict[str, tuple[str, dict[str, Blob]]] = {}
        self.tokens: set[str] = set()
        self._responder = Responder()
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="hub-server", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._started.wait(10):
            raise TimeoutError("the hub server did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def add(
        self,
        name: str,
        files: Mapping[str, Content],
        *,
        branch: str = "main",
        is_private: bool = False,
        is_gated: bool = False,
        members: frozenset[str] = frozenset(),
    ) -> str:
        """Add a repository, or a commit to it, readable as a Hub and as a ModelScope repository; return the commit."""
        found = self.repositories.setdefault(name, Repository(name))
        found.is_private, found.is_gated, found.members = is_private, is_gated, members
        self.tokens |= members
        commit = found.commit(files, branch)
        if branch == "main":
            found.branches["master"] = commit
        return commit

    def add_file(self, path: str, content: Content) -> str:
        """Serve one plain file; return its address."""
        self.files[path] = Blob(path, content)
        return f"{self.url}/files/{path}"

    def add_upload(self, upload_id: str, token: str, files: Mapping[str, Content]) -> str:
        """Serve an upload as the catalog does; return its address with the secret."""
        self.uploads[upload_id] = (token, {path: Blob(path, content) for path, content in files.items()})
        return f"{self.url}/api/v1/uploads/{upload_id}?token={token}"

    def fail(
        self,
        fault: Fault,
        path: str = "*",
        *,
        times: int = 1,
        after_bytes: int = 0,
        rate_bytes_s: float = 0.0,
        retry_after: str = "1",
    ) -> None:
        """Spoil the next `times` answers (-1: all) to addresses whose path matches."""
        self._responder.faults.append(
            Planned(fault, path, times, after_bytes=after_bytes, rate_bytes_s=rate_bytes_s, retry_after=retry_after)
        )

    def heal(self) -> None:
        """Spoil nothing from now on."""
        self._responder.faults.clear()

    @property
    def asked(self) -> list[Asked]:
        """Every request so far, in order."""
        return list(self._responder.asked)

    def sent_bytes(self, path: str = "*") -> int:
        """Return how many bytes of files went out for addresses whose path matches."""
        return sum(asked.sent_bytes for asked in self.asked if fnmatchcase(asked.path, path))

    @property
    def cdn_url(self) -> str:
        """Where large files are: the same server under another host name."""
        return self.url.replace("127.0.0.1", "localhost")

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        app = web.Application(middlewares=[self._responder.middleware])
        app.add_routes(routes(self, self._responder))
        runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        self._started.set()
        await self._stop.wait()
        await runner.cleanup()
