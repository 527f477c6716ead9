"""What is read on a phone, 390 pixels wide, is neither cut off nor in the way."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.planting import Planted
from tests.process.platform import Platform

pytestmark = pytest.mark.process

_ONE_ROW_PX = 56


@pytest.fixture
def phone(context: BrowserContext, page: Page) -> Page:
    page.set_viewport_size({"width": 390, "height": 844})
    return page


@pytest.fixture
def priced(stage: Platform) -> Iterator[None]:
    """A price book with every rate that a line can have."""
    rates = ("input", "cached_input", "output", "reasoning", "cache_write", "characters")
    line = {"model": "a-model-of-the-phone", "rates": {f"{one}_per_million": 123_456_789 for one in rates}}
    with ExitStack() as undo:
        book = {"version": 1, "currency": "USD", "lines": [line], "valid_from": "2026-01-01T00:00:00Z"}
        Planted(stage, undo).send("POST", "metering", "price-books/phone/versions", book)
        yield


def is_cut_off(page: Page, selector: str) -> bool:
    """Say whether any element that is shown ends beyond the right edge, or has content that is not shown."""
    found: bool = page.eval_on_selector_all(
        selector,
        "all => all.some((one) => one.getBoundingClientRect().right > innerWidth"
        " || one.scrollWidth > one.clientWidth + 1)",
    )
    return found


def test_rates_of_a_price_book_are_read_without_scrolling(phone: Page, priced: None) -> None:
    phone.goto("/usage/prices")
    cell = phone.get_by_role("cell").filter(has_text="Cache write, per million tokens")
    expect(cell).to_be_visible()
    assert not is_cut_off(phone, ".rh-table td.rh-wraps")


@pytest.mark.parametrize("path", ["/usage", "/usage/records", "/traffic", "/nodes", "/access/audit"])
def test_tables_are_read_without_scrolling_sideways(phone: Page, path: str) -> None:
    phone.goto(path)
    expect(phone.locator(".rh-table tbody tr").first).to_be_visible()
    assert not is_cut_off(phone, ".rh-table .q-table__middle")


@pytest.mark.parametrize("path", ["/access", "/access/requests", "/nodes/tokens", "/traffic/providers"])
def test_tabs_are_one_row_with_the_current_one_in_view(phone: Page, path: str) -> None:
    phone.goto(path)
    tabs = phone.locator(".rh-subnav")
    current = tabs.locator("[aria-current]")
    expect(current).to_be_in_viewport(ratio=0.99)
    height = tabs.bounding_box()
    assert height is not None
    assert height["height"] < _ONE_ROW_PX
    assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_files_say_that_their_times_are_utc(phone: Page) -> None:
    phone.goto("/usage")
    phone.get_by_role("button", name="Export").click()
    expect(phone.get_by_text("Times in the files are in UTC.")).to_be_visible()
