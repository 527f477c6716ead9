"""Prices, usage and budgets, from the first request without a price to a spent budget."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.chatting import chat, make_key
from tests.process.platform import DEMO, Platform

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def key(stage: Platform) -> str:
    return make_key(stage, "money")


@pytest.mark.contract("F01", "F02", "F06")
def test_a_request_without_a_price_gets_one_and_the_next_has_a_cost(stage: Platform, page: Page, key: str) -> None:
    chat(stage, key)
    page.goto("/usage/prices")
    without = page.get_by_role("region", name="Without a price")
    expect(without.get_by_text(DEMO).first).to_be_visible()
    without.get_by_role("button", name="Add a price").first.click()
    form = page.get_by_role("dialog")
    expect(form.get_by_label("Model", exact=True)).to_have_value(DEMO)
    form.get_by_label("Output, per million tokens", exact=True).fill("2,5x")
    form.get_by_role("button", name="Add").click()
    expect(form.get_by_role("alert")).to_contain_text("2,5x")
    form.get_by_label("Output, per million tokens", exact=True).fill("1000000")
    form.get_by_label("Input, per million tokens", exact=True).fill("0")
    form.get_by_role("button", name="Add").click()
    expect(page.get_by_role("region", name="Price book default").get_by_text(DEMO)).to_be_visible()
    chat(stage, key)
    page.goto("/usage")
    lines = page.get_by_role("region", name="By line")
    expect(lines.get_by_role("row").filter(has_text=DEMO)).to_contain_text(re.compile(r"[1-9]\.00 USD"))
    lines.get_by_role("link", name=DEMO).click()
    expect(page.get_by_role("heading", name="Records", level=1)).to_be_visible()
    row = page.get_by_role("region", name="Records").get_by_role("row").filter(has_text="USD").first
    row.get_by_role("button", name="Details").click()
    expect(page.get_by_role("dialog")).to_contain_text("req_")


@pytest.mark.contract("F05")
def test_a_budget_shows_what_is_spent_of_it_and_is_removed_by_who_knows_what_that_means(
    stage: Platform, page: Page, key: str
) -> None:
    page.goto("/usage/budgets")
    page.get_by_role("button", name="Set a budget").click()
    form = page.get_by_role("dialog")
    form.get_by_label("Name", exact=True).fill("of the test")
    form.get_by_label("Amount").fill("1000000")
    form.get_by_role("button", name="Set", exact=True).click()
    row = page.get_by_role("region", name="Budgets").get_by_role("row").filter(has_text="of the test")
    expect(row).to_contain_text("/ 1 000 000.00")
    chat(stage, key)
    row.get_by_role("button", name="Remove of the test").click()
    question = page.get_by_role("alertdialog")
    expect(question).to_contain_text("Nothing is refused")
    question.get_by_role("button", name="Remove").click()
    expect(row).to_have_count(0)


def test_usage_is_saved_as_a_file(stage: Platform, page: Page, key: str) -> None:
    chat(stage, key)
    with page.expect_download() as saved:
        page.goto("/usage")
        page.get_by_role("button", name="Export").click()
        page.get_by_text("CSV", exact=True).click()
    with open(saved.value.path(), encoding="utf-8") as file:
        assert DEMO in file.read()
