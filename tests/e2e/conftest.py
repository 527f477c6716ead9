"""One whole Roundhouse and one Chromium for all tests of the console; a fresh, signed-in browser for each."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.e2e.people import PASSWORD, choose_password, sign_in
from tests.process.platform import Platform, free_base_port
from tests.support.chromium import ARGUMENTS, chromium

_PATIENCE_MS = 20_000
_LIMIT_S = 300
"""Of one journey, with the start of the platform where it is the first."""
expect.set_options(timeout=_PATIENCE_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(_LIMIT_S))


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform as `roundhouse up` starts it, with the real chat model deployed."""
    running = Platform(Path(tmp_path_factory.mktemp("stage")), free_base_port(), has_console=True)
    running.up()
    yield running
    running.down()
    assert list(running.processes()) == []


@pytest.fixture(scope="session")
def chrome() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=[*ARGUMENTS])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def console_url(stage: Platform) -> str:
    return stage.connection["console_url"]


@pytest.fixture(scope="session")
def administrator(stage: Platform, chrome: Browser, console_url: str) -> str:
    """Return the name of the administrator, who has a password of their own by now."""
    first = (stage.data_dir / "secrets" / "admin-password").read_text().strip()
    with chrome.new_context(base_url=console_url) as context:
        choose_password(context.new_page(), "admin", first, PASSWORD)
    return "admin"


@pytest.fixture(scope="session")
def signed_in_state(
    chrome: Browser, console_url: str, administrator: str, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The cookies of the signed-in administrator, for browsers that need not show how one signs in."""
    kept = Path(tmp_path_factory.mktemp("browser")) / "state.json"
    with chrome.new_context(base_url=console_url) as context:
        sign_in(context.new_page(), administrator, PASSWORD)
        context.storage_state(path=kept)
    return kept


@pytest.fixture
def context(chrome: Browser, console_url: str, signed_in_state: Path) -> Iterator[BrowserContext]:
    with _signed_in(chrome, console_url, signed_in_state) as made:
        yield made


@pytest.fixture(scope="module")
def used_context(chrome: Browser, console_url: str, signed_in_state: Path) -> Iterator[BrowserContext]:
    """A browser that a module's tests share which only read: it has scripts and styles from the page before."""
    with _signed_in(chrome, console_url, signed_in_state) as made:
        yield made


@contextmanager
def _signed_in(chrome: Browser, console_url: str, state: Path) -> Iterator[BrowserContext]:
    made = chrome.new_context(base_url=console_url, storage_state=state, viewport={"width": 1440, "height": 900})
    made.set_default_timeout(_PATIENCE_MS)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """The administrator's browser. It fails the test for errors of scripts and for what the content policy refuses."""
    yield from _without_errors(context.new_page())


@pytest.fixture
def reading_page(used_context: BrowserContext) -> Iterator[Page]:
    """A fresh page, as `page`, in the browser that the module's tests share."""
    with used_context.new_page() as made:
        yield from _without_errors(made)


def _without_errors(made: Page) -> Iterator[Page]:
    wrong: list[str] = []
    made.on("pageerror", lambda error: wrong.append(str(error)))
    made.on("console", lambda told: wrong.append(told.text) if told.type == "error" else None)
    yield made
    assert wrong == []


@pytest.fixture
def stranger(chrome: Browser, console_url: str) -> Iterator[Page]:
    """A browser that nobody is signed in with."""
    with chrome.new_context(base_url=console_url) as made:
        made.set_default_timeout(_PATIENCE_MS)
        yield made.new_page()
