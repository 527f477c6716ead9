"""NiceGUI, set up as the console needs it: nothing from outside, sockets only, nonces on its scripts."""

import re
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Final

import nicegui
from fastapi import FastAPI
from jinja2 import DictLoader
from nicegui import Client, app, client, core, ui
from nicegui.dependencies import esm_modules, js_components
from starlette.requests import Request
from starlette.staticfiles import StaticFiles

from roundhouse_console.kit.own_files import OWN_FILES, OWN_FILES_URL
from roundhouse_console.settings import ConsoleSettings

__all__ = ["ASSETS", "CHANGING", "close_pages", "first_assets", "install", "own", "owns_page"]

_SCRIPT: Final = re.compile(r"<script(?=[\s>])")
_IMPORTED: Final = re.compile(r'from"\./([\w.-]+)"')
_DIGEST: Final = "session"
_BASE: Final = f"/_nicegui/{nicegui.__version__}"
ASSETS: Final = (f"{_BASE}/", f"{OWN_FILES_URL}/")
"""Where scripts, styles and fonts are whose address changes with them."""
CHANGING: Final = (f"{_BASE}/dynamic_resources/",)
"""What is there too and is made anew for each request."""
_FIRST: Final = (
    "fonts.css",
    "quasar.unimportant.prod.css",
    "quasar.important.prod.css",
    "nicegui.css",
    "vue.esm-browser.prod.js",
    "socket.io.min.js",
    "quasar.umd.prod.js",
    "nicegui.js",
    "dompurify.mjs",
    "lang/en-US.umd.prod.js",
    "lang/zh-CN.umd.prod.js",
)
_HEAD: Final = """
<link rel="stylesheet" href="OWN/console.css">
<script nonce="NONCE" src="OWN/preferences.js"></script>
<script nonce="NONCE" src="OWN/console.js"></script>
"""


def install(
    web: FastAPI, root: Callable[[Request], Awaitable[Any]], settings: ConsoleSettings
) -> AbstractAsyncContextManager[Any]:
    """Put the application of pages behind the routes that `web` has. Returns what must be open while it serves."""
    web.mount(OWN_FILES_URL, StaticFiles(directory=OWN_FILES), name="static")
    _put_nonces()
    app.config.socket_io_js_transports = ["websocket"]
    ui.run_with(
        web,
        root=root,
        title="Roundhouse",
        favicon=OWN_FILES / "mark.svg",
        reconnect_timeout=settings.reconnect_s,
        binding_refresh_interval=0.2,
        message_history_length=200,
        tailwind=False,
        prod_js=True,
        show_welcome_message=False,
    )
    app.config.quasar_config["brand"] = {"primary": "#0f766e", "positive": "#1b7f4b", "negative": "#b3261e"}
    _tie_sockets()
    context: AbstractAsyncContextManager[Any] = web.router.lifespan_context(web)
    return context


def first_assets() -> list[str]:
    """Return the paths of what the first page of a browser needs, in the order in which it asks."""
    own_files = [f"{OWN_FILES_URL}/{name}" for name in ("console.css", "preferences.js", "console.js", "mark.svg")]
    parts = [f"{_BASE}/components/{key}" for key in js_components if key.endswith(("/sub_pages.js", "/chart.js"))]
    charts = [
        f"{_BASE}/esm/{key}/{name}"
        for key, one in esm_modules.items()
        if one.name == "nicegui-echart"
        for name in ("index.js", *_IMPORTED.findall((one.path / "index.js").read_text(encoding="utf-8")))
    ]
    return [*own_files, *(f"{_BASE}/static/{name}" for name in _FIRST), *parts, *charts]


def own(page: Client, digest: str) -> None:
    """Tie a page to the session that opened it."""
    page.storage[_DIGEST] = digest


def owns_page(client_id: str, digest: str) -> bool:
    """Say whether a page was opened by this session: nobody else's socket may drive it."""
    page = Client.instances.get(client_id)
    return page is not None and page.storage.get(_DIGEST) == digest


def close_pages(digest: str) -> None:
    """Lead every open page of a session that ended to the login."""
    for page in list(Client.instances.values()):
        if page.storage.get(_DIGEST) == digest:
            page.open("/login")


def _put_nonces() -> None:
    """Give NiceGUI's own scripts the request's nonce: in its template, never in what was rendered from it."""
    source = (Path(nicegui.__file__).parent / "templates" / "index.html").read_text(encoding="utf-8")
    marked = _SCRIPT.sub('<script nonce="{{ request.state.nonce }}"', source)
    head = _HEAD.replace("NONCE", "{{ request.state.nonce }}").replace("OWN", OWN_FILES_URL)
    client.templates.env.loader = DictLoader({"index.html": marked.replace("</head>", f"{head}</head>")})


def _tie_sockets() -> None:
    """Let a socket speak only for the page that it was opened for."""
    handlers = core.sio.handlers["/"]
    for name in ("event", "javascript_response", "ack", "log"):
        handlers[name] = _tied(handlers[name])


def _tied(handle: Callable[[str, dict[str, Any]], Any]) -> Callable[[str, dict[str, Any]], Any]:
    def tied(sid: str, message: dict[str, Any]) -> Any:
        return handle(sid, message) if message.get("client_id") in core.sio.rooms(sid) else None

    return tied
