"""How fast the console is with much to show: `scripts/bench console`.

A whole platform with simulated nodes of 8 devices, deployments on them and usage records, and a real Chromium: the
first page in a fresh browser, each further page, what an open page costs in the server's memory, and how long a change
takes until open browsers show it.

A million records take minutes to enter and to count: `--prepare DIR` does that once, `--from DIR` measures with them.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from benchmarks.console_stage import deploy, fleet, record_usage
from tests.e2e.people import PASSWORD, choose_password
from tests.process.platform import Platform, free_base_port
from tests.support.chromium import ARGUMENTS, chromium

_PAGES = (
    "/",
    "/models",
    "/deployments",
    "/nodes",
    "/nodes/nod_bench0003",
    "/nodes/engines",
    "/nodes/files",
    "/usage",
    "/usage/records",
    "/traffic",
    "/access",
)
_PATIENCE_MS = 60_000
_GO = """(path) => {
  const link = Object.assign(document.createElement('a'), { href: path });
  document.querySelector('main').append(link);
  link.click();
  link.remove();
}"""
_VALUES = ":is(.rh-tile-value, tbody tr, canvas, .rh-card, .rh-fleet-node, .rh-empty)"
_TITLE = "document.querySelector('h1.rh-title')?.textContent"
_SHOWN = f"""([path, before]) => location.pathname === path && {_TITLE} && {_TITLE} !== before
  && [...document.querySelectorAll('main {_VALUES}')].some((one) => one.checkVisibility())"""
_WATCH = """() => {
  const tile = document.querySelector('main .rh-tile-value');
  const before = tile.textContent;
  window.rhSeen = new Promise((done) => new MutationObserver((_, all) => {
    if (tile.textContent === before) return;
    all.disconnect();
    done(Date.now() / 1000);
  }).observe(tile, { childList: true, characterData: true, subtree: true }));
}"""


def _first(chrome: Browser, url: str, state: Path) -> tuple[float, float]:
    """Return seconds to the frame and to the first values, in a browser that has never been here."""
    context = chrome.new_context(base_url=url, storage_state=state)
    page = context.new_page()
    began = time.perf_counter()
    page.goto("/", wait_until="commit")
    page.wait_for_selector("h1.rh-title", timeout=_PATIENCE_MS)
    frame = time.perf_counter() - began
    page.wait_for_selector("main .rh-tile-value", timeout=_PATIENCE_MS)
    whole = time.perf_counter() - began
    context.close()
    return frame, whole


def _further(page: Page, path: str) -> float:
    """Return seconds from a click to the page with its first values."""
    before = page.evaluate(_TITLE)
    began = time.perf_counter()
    page.evaluate(_GO, path)
    page.wait_for_function(_SHOWN, arg=[path, before], timeout=_PATIENCE_MS, polling="raf")
    return time.perf_counter() - began


def _memory(server: psutil.Process, context: BrowserContext, path: str, count: int) -> float:
    """Return the bytes that each of so many more open pages takes of the server."""
    pages = [_open(context, path) for _ in range(3)]
    before = server.memory_info().rss
    pages += [_open(context, path) for _ in range(count)]
    time.sleep(3.0)  # their first looks at what changes are part of it
    grown = server.memory_info().rss - before
    for page in pages:
        page.close()
    return grown / count


def _open(context: BrowserContext, path: str) -> Page:
    page = context.new_page()
    page.goto(path)
    page.wait_for_selector(f"main {_VALUES} >> visible=true", timeout=_PATIENCE_MS)
    return page


def _latencies(pages: Sequence[Page], change: Callable[[], None]) -> list[float]:
    """Return for each page the seconds from a change to its showing."""
    for page in pages:
        page.evaluate(_WATCH)
    began = time.time()
    change()
    return [page.evaluate("window.rhSeen") - began for page in pages]


def _changes(platform: Platform) -> Iterator[Callable[[], None]]:
    """Yield changes of the fleet that its page shows: a node cordoned, and back."""
    while True:
        for verb in ("cordon", "uncordon"):
            path = f"/api/v1/nodes/nod_bench0007:{verb}"
            yield lambda path=path: platform.ask(lambda services: services.scheduler.post(path))  # type: ignore[misc]


def _prepare(data: Path, records: int) -> None:
    """Make a data directory with so many records that metering has counted."""
    record_usage(data, records)
    platform = Platform(data, free_base_port())
    platform.up("--no-demo")
    try:
        _until_counted(platform)
    finally:
        platform.down()


@contextmanager
def _stage(nodes: int, deployments: int, records: int, prepared: Path | None) -> Iterator[Platform]:
    with tempfile.TemporaryDirectory(prefix="roundhouse-bench-") as directory:
        data, agents = Path(directory) / "data", Path(directory) / "agents"
        agents.mkdir()
        began = time.perf_counter()
        if prepared is None:
            record_usage(data, records)
        else:
            shutil.copytree(prepared, data)
        platform = Platform(data, free_base_port(), has_console=True)
        platform.up("--no-demo")
        try:
            with fleet(platform, agents, nodes):
                deploy(platform, deployments)
                _until_counted(platform)
                took = time.perf_counter() - began
                print(
                    f"{nodes} nodes of 8 devices, {deployments} deployments of 2 replicas, {records:,} usage records;"
                )
                print(
                    f"made in {took:.0f} s; load average {psutil.getloadavg()[0]:.1f} on {psutil.cpu_count()} cores\n"
                )
                yield platform
        finally:
            platform.down()


def _until_counted(platform: Platform) -> None:
    """Return when metering has counted the records, and rests."""
    pid = platform.pid("metering")
    assert pid is not None
    metering = psutil.Process(pid)
    while metering.cpu_percent(interval=3.0) > 25.0:
        pass


def _row(name: str, seconds: Sequence[float]) -> None:
    print(f"{name:<44}{1e3 * min(seconds):>9.0f}{1e3 * statistics.median(seconds):>9.0f}{1e3 * max(seconds):>9.0f}")


def _measure(platform: Platform, chrome: Browser, state: Path, *, times: int, browsers: int) -> None:
    url = platform.connection["console_url"]
    pid = platform.pid("console")
    assert pid is not None
    server = psutil.Process(pid)
    print(f"{'ms':<44}{'best':>9}{'median':>9}{'worst':>9}")
    firsts = [_first(chrome, url, state) for _ in range(times)]
    _row("first page in a fresh browser: its frame", [one[0] for one in firsts])
    _row("  with its first values", [one[1] for one in firsts])
    context = chrome.new_context(base_url=url, storage_state=state, viewport={"width": 1440, "height": 900})
    page = _open(context, "/access")
    took: dict[str, list[float]] = {path: [] for path in _PAGES}
    for _ in range(times):
        for path in _PAGES:
            took[path].append(_further(page, path))
    for path, seconds in took.items():
        _row(f"further page {path}", seconds)
    page.close()
    changes = _changes(platform)
    alone = [_open(context, "/nodes")]
    _row("a change shows, one browser", [max(_latencies(alone, next(changes))) for _ in range(2 * times)])
    contexts = [chrome.new_context(base_url=url, storage_state=state) for _ in range(browsers - 1)]
    many = alone + [_open(one, "/nodes") for one in contexts]
    found = [seconds for _ in range(2 * times) for seconds in _latencies(many, next(changes))]
    _row(f"a change shows, {browsers} browsers on the fleet", found)
    cpu = server.cpu_percent(interval=10.0)
    print(f"{f'CPU of the console with {browsers} browsers, %':<44}{cpu:>9.0f}")
    for one in contexts:
        one.close()
    for path in ("/", "/nodes", "/usage"):
        size = _memory(server, context, path, 10)
        print(f"{f'memory per open page of {path}, KiB':<44}{size / 1024:>9.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench console", description="how fast the console is")
    parser.add_argument("--nodes", type=int, default=200)
    parser.add_argument("--deployments", type=int, default=50)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=3, help="how often each is measured (default %(default)s)")
    parser.add_argument("--browsers", type=int, default=20)
    parser.add_argument("--prepare", type=Path, help="only make this data directory, with the records counted")
    parser.add_argument("--from", type=Path, dest="prepared", help="a data directory that --prepare made")
    options = parser.parse_args()
    if options.prepare is not None:
        _prepare(options.prepare, options.records)
        return
    with (
        _stage(options.nodes, options.deployments, options.records, options.prepared) as platform,
        sync_playwright() as playwright,
        tempfile.NamedTemporaryFile(suffix=".json") as state,
    ):
        chrome = playwright.chromium.launch(executable_path=chromium(), args=[*ARGUMENTS])
        first = (platform.data_dir / "secrets" / "admin-password").read_text().strip()
        with chrome.new_context(base_url=platform.connection["console_url"]) as context:
            choose_password(context.new_page(), "admin", first, PASSWORD)
            context.storage_state(path=state.name)
        _measure(platform, chrome, Path(state.name), times=options.times, browsers=options.browsers)
        chrome.close()


if __name__ == "__main__":
    main()
