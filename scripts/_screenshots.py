"""What scripts/screenshots does: start a Roundhouse with something in it, and take a picture of every page.

    scripts/screenshots                    every page: 1440 wide in both themes, 390 wide in the light one
    scripts/screenshots --only nodes       only pages whose name has this in it
    scripts/screenshots --to DIRECTORY     elsewhere than docs/images

The platform is a real one in a temporary directory; what is in it was made by its REST APIs.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from roundhouse_cli.rest import Services
from roundhouse_console.pages.every import PAGES
from tests.e2e.people import PASSWORD, choose_password, sign_in
from tests.process.platform import DEMO, Platform, free_base_port
from tests.support.chromium import ARGUMENTS, chromium

__all__ = ["main"]

_IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
_QUESTIONS = ("What is gravity?", "Name three colours.", "Say hello.", "Why is the sky blue?")
_TEMPLATE = {
    "name": "chat-on-cpu",
    "description": "Small chat models on processors, four requests at a time.",
    "suits": {"kinds": ["chat"]},
    "parameters": {"parallel": "4", "context": "2048"},
}
_SETTLED_MS = 1_800
"""How long a page may take to be filled and drawn."""
_SIZES = {"light": (1440, 900), "dark": (1440, 900), "phone": (390, 844)}


def main() -> int:
    """Return 0 when every picture was taken."""
    parser = argparse.ArgumentParser(prog="scripts/screenshots", description="Take pictures of the console's pages.")
    parser.add_argument("--only", default="", metavar="NAME", help="only pages whose name has this in it")
    parser.add_argument("--to", type=Path, default=_IMAGES, metavar="DIRECTORY", help="where the pictures go")
    options = parser.parse_args()
    options.to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        platform = Platform(Path(directory), free_base_port(), has_console=True)
        print("Starting a platform.", file=sys.stderr)
        platform.up()
        try:
            ids = platform.ask(lambda services: _fill(services, platform))
            taken = _take(platform, ids, only=options.only, to=options.to)
        finally:
            platform.down()
    print(f"{taken} pictures in {options.to}")
    return 0


def _fill(services: Services, platform: Platform) -> dict[str, str]:
    """Make what pages show: a price, requests, a budget, a project, keys, a template. Return ids for paths."""
    rates = {"input_per_million": 150_000_000, "output_per_million": 600_000_000}
    book = {"currency": "USD", "lines": [{"rates": rates}], "note": "Everything alike"}
    services.metering.post("/api/v1/price-books/default/versions", book)
    project = services.catalog.post("/api/v1/projects", {"name": "support-bot"})
    keys = [services.catalog.post("/api/v1/api-keys", {"name": name}) for name in ("website", "nightly-reports")]
    budget = {"name": "website, monthly", "scope": "key", "scope_id": keys[0]["id"], "amount": 200_000}
    services.metering.post("/api/v1/budgets", budget)
    with httpx.Client(base_url=platform.connection["router_url"], timeout=60.0) as client:
        for number, question in enumerate(_QUESTIONS * 5):
            _ask(client, keys[number % 3 % 2]["secret"], question)
    services.catalog.post("/api/v1/templates", _TEMPLATE)
    deployment = services.catalog.items("/api/v1/deployments")[0]
    return {
        "deployment_id": deployment["id"],
        "node_id": services.scheduler.items("/api/v1/nodes")[0]["id"],
        "model_id": services.catalog.items("/api/v1/models")[0]["id"],
        "project_id": project["id"],
        "name": str(_TEMPLATE["name"]),
    }


def _ask(client: httpx.Client, secret: str, question: str) -> None:
    body = {"model": DEMO, "messages": [{"role": "user", "content": question}], "max_tokens": 24}
    deadline = time.monotonic() + 10.0
    while True:
        answer = client.post("/v1/chat/completions", json=body, headers={"authorization": f"Bearer {secret}"})
        if answer.status_code != httpx.codes.UNAUTHORIZED or time.monotonic() > deadline:
            answer.raise_for_status()
            return
        time.sleep(0.1)  # a new key is in force within a second


def _take(platform: Platform, ids: Mapping[str, str], *, only: str, to: Path) -> int:
    taken = 0
    first = (platform.data_dir / "secrets" / "admin-password").read_text().strip()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=[*ARGUMENTS])
        url = platform.connection["console_url"]
        with browser.new_context(base_url=url) as context:
            choose_password(context.new_page(), "admin", first, PASSWORD)
        for look, size in _SIZES.items():
            with _signed_in(browser, url, look, size) as page:
                for name, path in _paths(ids):
                    if only in name:
                        page.goto(path)
                        page.get_by_role("heading", level=1).first.wait_for()
                        page.wait_for_timeout(_SETTLED_MS)
                        page.screenshot(path=to / f"{name}-{look}.png", full_page=look != "phone")
                        taken += 1
        browser.close()
    return taken


@contextmanager
def _signed_in(browser: Browser, url: str, look: str, size: tuple[int, int]) -> Iterator[Page]:
    context: BrowserContext = browser.new_context(base_url=url, viewport={"width": size[0], "height": size[1]})
    theme = "dark" if look == "dark" else "light"
    context.add_cookies([{"name": "rh_theme", "value": theme, "url": url}])
    with context:
        page = context.new_page()
        sign_in(page, "admin", PASSWORD)
        yield page


def _paths(ids: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the name and the path of each page that can be shown with what is there."""
    for page in PAGES:
        path = page.path
        for name, value in ids.items():
            path = path.replace("{" + name + "}", value)
        if "{" not in path:
            words = page.path.strip("/").replace("{", "").replace("_id}", "").replace("}", "")
            yield (words.replace("/", "-") or "overview"), path


if __name__ == "__main__":
    sys.exit(main())
