"""What the roles of a tenant see: every page that they get works, and what they may not do is not there."""

import re
import secrets
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from roundhouse_common.auth.permissions import PERMISSIONS, PLATFORM_ACTIONS, Role
from roundhouse_console.kit.routes import Page as ConsolePage
from roundhouse_console.pages.every import PAGES
from tests.e2e.people import PASSWORD, choose_password
from tests.e2e.planting import Planted
from tests.process.platform import DEMO, Platform

pytestmark = pytest.mark.process

_REFUSED = "Your role does not include this page."
_NAVIGATION = {
    Role.USER: ["Overview", "Marketplace", "Playground", "Deployments", "Usage", "Access"],
    Role.VIEWER: ["Overview", "Marketplace", "Deployments", "Traffic", "Usage", "Access"],
    Role.FINANCE: ["Overview", "Marketplace", "Deployments", "Usage", "Access"],
}
_TABS = {
    Role.USER: ["Metrics", "Events", "Test"],
    Role.VIEWER: ["Replicas", "Logs", "Metrics", "Events"],
    Role.FINANCE: ["Metrics", "Events"],
}
_WRITES = re.compile(r"^(Add|Create|New|Deploy|Delete|Remove|Stop|Start|Set|Invite|Join|Revoke|Cordon|Drain|Import)\b")
"""What buttons begin with that change something of the tenant."""
_OWN = {Role.USER: {"/access"}, Role.VIEWER: set[str](), Role.FINANCE: {"/usage/budgets", "/usage/prices"}}
"""Pages on which they do change something."""
_EVERYBODYS = {"/account", "/playground"}


@pytest.fixture(
    params=[
        Role.USER,
        pytest.param(Role.VIEWER, marks=pytest.mark.slow),
        pytest.param(Role.FINANCE, marks=pytest.mark.slow),
    ],
    ids=str,
)
def role(request: pytest.FixtureRequest) -> Role:
    found: Role = request.param
    return found


@pytest.fixture
def person(role: Role, stage: Platform, chrome: Browser, console_url: str) -> Iterator[Page]:
    """A browser of somebody with only this role. Errors of scripts fail the test."""
    rest = Planted.empty(stage)
    name = f"{role}-{secrets.token_hex(3)}"
    made = rest.send("POST", "catalog", "users", {"name": name, "roles": [str(role)]})["id"]
    given = rest.send("POST", "catalog", f"users/{made}/password:reset")["password"]
    with chrome.new_context(base_url=console_url) as context:
        page = context.new_page()
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        choose_password(page, name, given, PASSWORD)
        yield page
    rest.send("DELETE", "catalog", f"users/{made}?abandon=true")
    assert wrong == []


@pytest.mark.contract("E01")
def test_pages_of_a_role_work_and_offer_only_what_it_may_do(role: Role, person: Page) -> None:
    page = person
    titles = [one.inner_text() for one in page.locator(".rh-nav-item .nicegui-label, .rh-nav-item div").all()]
    assert titles == _NAVIGATION[role]
    for path in (one.path for one in PAGES if "{" not in one.path and _is_for(one, role)):
        _is_shown_well(page, path, role)
    for path in ("/nodes", "/access/audit"):
        page.goto(path)
        expect(page.get_by_text(_REFUSED)).to_be_visible()
    _a_deployment(page, role)


def _a_deployment(page: Page, role: Role) -> None:
    page.goto("/deployments")
    page.get_by_role("link", name=re.compile(f"^{DEMO}")).click()
    expect(page.get_by_role("heading", name=DEMO, level=1)).to_be_visible()
    tabs = page.get_by_role("tab")
    expect(tabs).to_have_text(_TABS[role])
    for tab in tabs.all():
        tab.click()
        page.wait_for_load_state("networkidle")
        _is_well(page, tab.inner_text())
    expect(page.get_by_role("button", name="New version")).to_have_count(0)


def _is_for(page: ConsolePage, role: Role) -> bool:
    return not page.is_for_operators and (not page.needs or page.needs in PERMISSIONS[role] - PLATFORM_ACTIONS)


def _is_shown_well(page: Page, path: str, role: Role) -> None:
    """Open a page that the role gets: no service refuses anything, no button is for what it may not do."""
    page.goto(path)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.wait_for_load_state("networkidle")
    expect(page.get_by_text(_REFUSED)).to_have_count(0)
    _is_well(page, path)
    if path not in _EVERYBODYS | _OWN[role]:
        _offers_nothing(page, path)


def _is_well(page: Page, where: str) -> None:
    refusals = page.locator("[role=alert]:visible, .q-notification").all_inner_texts()
    assert refusals == [], where


def _offers_nothing(page: Page, path: str) -> None:
    buttons = page.locator("#main button:visible, #main a:visible")
    names = [one.get_attribute("aria-label") or one.inner_text().split("\n")[-1] for one in buttons.all()]
    assert [name for name in names if _WRITES.match(name)] == [], path
