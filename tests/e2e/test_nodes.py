"""Nodes in the browser: the fleet, what one does with a node, how another joins, what is installed and stored."""

import secrets

import pytest
from playwright.sync_api import Page, expect

from tests.process.platform import Platform

pytestmark = pytest.mark.process


@pytest.fixture
def node(stage: Platform) -> dict[str, str]:
    """The one node of the platform."""
    found = stage.nodes()[0]
    return {"id": found["id"], "name": found["hostname"]}


@pytest.mark.contract("A02")
def test_a_node_is_cordoned_and_takes_replicas_again(page: Page, node: dict[str, str]) -> None:
    page.goto("/nodes")
    expect(page.locator(".rh-fleet").get_by_text(node["name"])).to_be_visible()
    page.locator(".rh-fleet-node").first.click()
    expect(page.get_by_role("heading", name=node["name"], level=1)).to_be_visible()
    page.get_by_role("button", name="Cordon", exact=True).click()
    try:
        expect(page.get_by_text("cordoned", exact=True).first).to_be_visible()
    finally:
        page.get_by_role("button", name="Uncordon").click()
    expect(page.get_by_role("button", name="Cordon", exact=True)).to_be_visible()
    expect(page.get_by_text("ready", exact=True).first).to_be_visible()


@pytest.mark.contract("A02")
def test_a_join_token_is_shown_once_and_revoked(page: Page) -> None:
    label = f"journey={secrets.token_hex(4)}"
    page.goto("/nodes/tokens")
    page.get_by_role("button", name="Join a node").click()
    page.get_by_label("Labels", exact=True).fill(label)
    page.get_by_role("button", name="Make a token").click()
    command = page.get_by_text("roundhouse node join")
    expect(command).to_contain_text("--token ")
    token = (command.text_content() or "").split("--token ")[1].strip()
    page.get_by_role("button", name="I have kept it").click()
    expect(command).to_have_count(0)
    row = page.get_by_role("region", name="Join tokens").get_by_role("row").filter(has_text=label)
    expect(row.get_by_text("open", exact=True)).to_be_visible()
    assert token not in page.content()
    row.get_by_role("button", name="Revoke").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Revoke").click()
    expect(row.get_by_text("revoked", exact=True)).to_be_visible()


def test_engines_are_listed_and_an_order_that_fits_no_node_is_taken_back(page: Page, node: dict[str, str]) -> None:
    page.goto("/nodes/engines")
    found = page.get_by_role("region", name="Engines").get_by_role("row").filter(has_text="llama.cpp")
    expect(found).to_contain_text(node["name"])
    expect(found).to_contain_text("ready")
    page.get_by_role("button", name="Install an engine").click()
    form = page.get_by_role("dialog")
    form.get_by_role("combobox", name="On").click()
    page.get_by_role("option", name="Nodes with labels").click()
    form.get_by_role("button", name="Install").click()
    expect(form.get_by_role("alert")).to_contain_text("Say which labels")
    form.get_by_label("Labels", exact=True).fill("pool=none-has-this")
    form.get_by_role("button", name="Install").click()
    order = page.get_by_role("region", name="Ordered").get_by_role("row").filter(has_text="pool=none-has-this")
    expect(order).to_contain_text("0 / 0")
    order.get_by_role("button", name="Remove").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Remove").click()
    expect(order).to_have_count(0)


def test_cleaning_up_says_first_what_would_go(page: Page) -> None:
    page.goto("/nodes/files")
    expect(page.get_by_role("region", name="Model files")).to_be_visible()
    page.get_by_role("button", name="Clean up").click()
    page.get_by_role("button", name="Show what would go").click()
    expect(page.get_by_role("heading", name="What would go")).to_be_visible()
    expect(page.get_by_text("There is nothing to clean up.")).to_be_visible()
    expect(page.get_by_role("button", name="Delete")).to_have_count(0)
