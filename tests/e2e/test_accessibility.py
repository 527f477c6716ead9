"""axe finds no serious issue on any page, in both themes."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from roundhouse_console.pages.every import PAGES

pytestmark = pytest.mark.process

_SERIOUS = ("serious", "critical")
_WITHOUT_IDS = [page.path for page in PAGES if "{" not in page.path]


@pytest.mark.parametrize("path", _WITHOUT_IDS)
def test_a_page_has_no_serious_issue(page: Page, console_url: str, path: str) -> None:
    found = []
    for theme in ("light", "dark"):
        page.context.add_cookies([{"name": "rh_theme", "value": theme, "url": console_url}])
        page.goto(path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        page.wait_for_load_state("networkidle")
        found += _serious(page, theme)
    assert found == []


def test_the_login_has_no_serious_issue(stranger: Page) -> None:
    stranger.goto("/login")
    assert _serious(stranger, "light") == []


def _serious(page: Page, theme: str) -> list[str]:
    answer = Axe().run(page)
    return [
        f"{theme}: {one['id']}: {one['help']}: {[node['html'][:200] for node in one['nodes'][:3]]}"
        for one in answer.response["violations"]
        if one["impact"] in _SERIOUS
    ]
