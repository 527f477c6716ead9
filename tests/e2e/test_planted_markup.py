"""What people, models, logs and files say is text on every page: markup, links and templates in it do nothing."""

import re
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.people import PASSWORD, choose_password
from tests.e2e.planting import LEAK, LONG, MARKUP, Planted, plant
from tests.process.platform import DEMO, Platform

pytestmark = pytest.mark.process

_ALIVE = "() => [window.__xss, document.querySelectorAll('[data-xss], iframe, [srcdoc]').length, document.title]"
_PAGES = {
    "/": ["/nowhere/"],
    "/models/{model}": ["planted-source", "planted-template", "planted-system"],
    "/deployments": [],
    "/deployments/{deployment}": ["/nowhere/"],
    "/nodes": ["planted-region"],
    "/nodes/tokens": ["planted-join"],
    "/nodes/{node}": ["planted-label", "planted-region", "planted-zone"],
    "/traffic": ["planted-route"],
    "/traffic/routes/{route}": ["planted-route"],
    "/traffic/limits": ["planted-limit"],
    "/traffic/providers": [],
    "/usage": [],
    "/usage/budgets": ["planted-budget"],
    "/usage/records": ["planted-route"],
    "/access": ["planted-key"],
    "/access/members": ["planted-person"],
    "/access/members/{user}": ["planted-person", "planted-key"],
    "/access/projects": ["planted-project"],
    "/access/projects/{project}": ["planted-project"],
    "/access/roles": ["planted-role"],
    "/access/service-accounts": ["planted-program"],
    "/access/sign-on": ["https://127.0.0.1:1/"],
    "/access/audit": [],
    "/access/requests": ["planted-route"],
    "/account": ["planted-token"],
}
"""Pages, each with the beginnings of the texts that it shows whole."""


_LINES = {"Model": "route", "API key": "key"}
"""What was planted as a line of the usage, by what it is added up by: the route is an alias, so it is a model there."""
_LOOSE = """(said) => [...said.querySelectorAll('*')].flatMap((one) => [...one.attributes].map(({ name }) => name))
  .filter((name) => !['href', 'target', 'rel', 'tabindex', 'role'].includes(name))"""
"""Attributes in an answer that its Markdown did not bring."""


@pytest.fixture(scope="module")
def planted(stage: Platform) -> Iterator[Planted]:
    with ExitStack() as undo:
        yield plant(stage, undo)


@pytest.fixture
def watched(page: Page) -> Iterator[Page]:
    """The administrator's browser; in the end nothing that was planted has run, loaded or become an element."""
    yield from _watched(page)


@pytest.fixture
def watched_reading(reading_page: Page) -> Iterator[Page]:
    yield from _watched(reading_page)


def _watched(page: Page) -> Iterator[Page]:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if LEAK in request.url else None)
    page.on("dialog", lambda dialog: asked.append(dialog.message))
    page.add_init_script("document.addEventListener('securitypolicyviolation', (e) => console.error(e.blockedURI))")
    yield page
    ran, elements, title = page.evaluate(_ALIVE)
    assert (ran, elements, asked) == (None, 0, [])
    assert "<" not in title


@pytest.mark.parametrize("path", _PAGES)
def test_a_page_shows_markup_as_text(watched_reading: Page, planted: Planted, path: str) -> None:
    watched = watched_reading
    watched.goto(path.format(**planted.ids))
    expect(watched.get_by_role("heading", level=1)).to_be_visible()
    for text in _PAGES[path]:
        expect(watched.locator("#main")).to_contain_text(f"{text}{MARKUP if text.endswith('/') else ' ' + MARKUP}")
    if not _PAGES[path]:
        watched.wait_for_load_state("networkidle")


def test_dialogs_and_notices_show_markup_as_text(watched: Page, planted: Planted) -> None:
    page = watched
    planted.make("gone", "catalog", "api-keys", {"name": f"planted-gone {MARKUP}"})
    page.goto("/access")
    row = page.get_by_role("row").filter(has_text="planted-gone")
    row.get_by_role("button", name="Details").click()
    expect(page.get_by_role("dialog")).to_contain_text(f"planted-gone {MARKUP}")
    page.get_by_role("button", name="Close").click()
    row.get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("alertdialog")).to_contain_text(f"planted-gone {MARKUP}")
    page.get_by_role("alertdialog").get_by_role("button", name="Revoke").click()
    expect(page.locator(".q-notification")).to_contain_text(f"planted-gone {MARKUP} is revoked.")

    page.goto("/access/projects")
    page.get_by_role("button", name="Create a project").click()
    page.get_by_label("Name", exact=True).fill(MARKUP)
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text(MARKUP[:40])

    page.goto("/access/requests")
    page.get_by_role("button", name="Details").first.click()
    expect(page.get_by_role("dialog")).to_contain_text("<svg onload=__xss=1>")


def test_logs_answers_and_charts_show_markup_as_text(watched: Page, planted: Planted) -> None:
    page = watched
    page.goto(f"/deployments/{planted.ids['deployment']}")
    page.get_by_role("tab", name="Logs").click()
    expect(page.get_by_role("log", name="Log")).to_contain_text(f"/nowhere/{MARKUP}")

    page.goto("/deployments")
    page.get_by_role("link", name=re.compile(f"^{DEMO}")).click()
    page.get_by_role("tab", name="Test").click()
    page.get_by_label("Path").fill(f"/v1/{MARKUP.replace(' ', '')}")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("status")).to_contain_text("404")

    for by in _LINES:
        page.goto("/usage")
        page.get_by_label("Added up by").click()
        page.get_by_role("option", name=by, exact=True).click()
        expect(page.get_by_role("region", name="By line")).to_contain_text(f"planted-{_LINES[by]} {MARKUP}")
        page.locator(".rh-chart canvas").last.hover()


def test_a_conversation_shows_markup_as_text(watched: Page, planted: Planted) -> None:
    page = watched
    page.goto(f"/playground?model={DEMO}")
    page.get_by_label("Ask something").fill(LONG)
    page.get_by_role("button", name="Send").click()
    said = page.locator(".rh-said-assistant")
    expect(said).to_contain_text("tokens/s", timeout=60_000)
    expect(page.locator(".rh-said-user")).to_contain_text(LONG)
    said.get_by_role("button", name="Edit").click()
    said.get_by_label("Edit").fill(f"{LONG}\n\n- **kept** {LONG}")
    said.get_by_role("button", name="Save as a new version").click()
    expect(said.locator("strong")).to_have_text("kept")
    expect(said.locator(".rh-said-markdown")).to_contain_text("<svg onload=__xss=1>")
    assert said.locator(".rh-said-markdown").evaluate(_LOOSE) == []
    page.get_by_role("button", name="Delete").first.click()
    expect(page.get_by_role("alertdialog")).to_contain_text("<img src=")
    page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()


def test_a_person_whose_name_is_markup_sees_it_as_text(chrome: Browser, console_url: str, planted: Planted) -> None:
    """The frame around every page names who is signed in."""
    with chrome.new_context(base_url=console_url) as context:
        page = context.new_page()
        given = planted.send("POST", "catalog", f"users/{planted.ids['user']}/password:reset")["password"]
        choose_password(page, "planted", given, PASSWORD)
        button = page.get_by_role("button", name=f"Account: planted-person {MARKUP}")
        button.click()
        expect(page.get_by_role("menu")).to_contain_text(f"planted-person {MARKUP}")
        assert page.evaluate(_ALIVE)[:2] == [None, 0]
