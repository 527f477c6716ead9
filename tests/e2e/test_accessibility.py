"""axe finds no serious issue on any page, in both themes."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from roundhouse_console.pages.every import PAGES

pytestmark = pytest.mark.process

_SERIOUS = ("serious", "critical")
_OF_COLOURS = ["color-contrast", "link-in-text-block"]
_IS_STILL = "document.getAnimations().every((one) => !(one instanceof CSSTransition))"
_WITHOUT_IDS = [page.path for page in PAGES if "{" not in page.path]


@pytest.mark.parametrize("path", _WITHOUT_IDS)
def test_a_page_has_no_serious_issue(reading_page: Page, path: str) -> None:
    """What is on a page is the same in both themes: in the dark one only the colours are looked at again."""
    page = reading_page
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    page.goto(path)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.wait_for_load_state("networkidle")
    found = _serious(page, "light")
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    expect(page.locator("body")).to_have_class(re.compile("body--dark"))
    page.wait_for_function(_IS_STILL)
    assert found + _serious(page, "dark", runOnly={"type": "rule", "values": _OF_COLOURS}) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_theme_that_was_chosen_is_there_whatever_the_system_has(page: Page, console_url: str, theme: str) -> None:
    page.emulate_media(color_scheme="dark" if theme == "light" else "light")
    page.context.add_cookies([{"name": "rh_theme", "value": theme, "url": console_url}])
    page.goto("/account")
    expect(page.locator("body")).to_have_class(re.compile(f"body--{theme}"))
    page.wait_for_load_state("networkidle")
    assert _serious(page, theme) == []


def test_the_login_has_no_serious_issue(stranger: Page) -> None:
    stranger.goto("/login")
    assert _serious(stranger, "light") == []


def _serious(page: Page, theme: str, **options: object) -> list[str]:
    answer = Axe().run(page, options={"resultTypes": ["violations"], **options})
    return [
        f"{theme}: {one['id']}: {one['help']}: {[node['html'][:200] for node in one['nodes'][:3]]}"
        for one in answer.response["violations"]
        if one["impact"] in _SERIOUS
    ]
