"""Traffic: a route is made with its effect in view, serves, is limited, and goes again."""

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.process.platform import Platform

pytestmark = pytest.mark.process

_MODEL = "smollm2-135m-instruct"


def _call(stage: Platform, model: str) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 4}
    headers = {"authorization": f"Bearer {stage.connection['api_key']}"}
    url = f"{stage.connection['router_url']}/v1/chat/completions"
    return httpx.post(url, json=body, headers=headers, timeout=60)


def _choose(page: Page, label: str, option: str) -> None:
    page.get_by_label(label, exact=True).click()
    page.get_by_role("option", name=option, exact=True).click()


def _target(page: Page, place: int, option: str, weight: str) -> None:
    """Fill in the target at a place."""
    target = page.get_by_role("group", name=f"Target {place}")
    target.get_by_label("Deployment or provider").click()
    page.get_by_role("option", name=option, exact=True).click()
    target.get_by_label("Weight").fill(weight)


def _add_provider(page: Page, stage: Platform) -> None:
    """Make a provider of the platform's own API: the only one there is without the internet."""
    page.goto("/traffic/providers")
    page.get_by_role("button", name="Add a provider").click()
    page.get_by_label("Name", exact=True).fill("loop")
    page.get_by_label("Address").fill(f"{stage.connection['router_url']}/v1")
    page.get_by_label("API key of the provider").fill(stage.connection["api_key"])
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("button", name="Ask for its models loop")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert stage.connection["api_key"] not in page.content()
    page.get_by_role("button", name="Ask for its models loop").click()
    expect(page.get_by_role("dialog").get_by_text(_MODEL)).to_be_visible()
    page.get_by_role("button", name="Close").click()


def _delete(page: Page, name: str) -> None:
    page.goto("/traffic")
    page.get_by_role("link", name=name).click()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="Traffic", level=1)).to_be_visible()


@pytest.mark.contract("D01")
def test_a_route_is_previewed_made_called_limited_and_deleted(page: Page, stage: Platform) -> None:
    _add_provider(page, stage)
    page.goto("/traffic")
    page.get_by_role("link", name="New route").click()
    expect(page.get_by_text("Give the route a name")).to_be_visible()
    page.get_by_label("Name", exact=True).fill("support")
    _target(page, 1, _MODEL, "3")
    page.get_by_role("button", name="Add a target").click()
    _target(page, 2, "loop (provider)", "1")
    page.get_by_role("group", name="Target 2").get_by_label("Its model").fill(_MODEL)
    expect(page.get_by_text("75 %")).to_be_visible()
    expect(page.get_by_text("25 %")).to_be_visible()
    page.get_by_role("button", name="Create the route").click()
    expect(page.get_by_role("link", name="support")).to_be_visible()
    assert _call(stage, "support").status_code == 200

    page.goto("/traffic/limits")
    page.get_by_role("button", name="New limit").click()
    page.get_by_label("Name", exact=True).fill("one a minute")
    page.get_by_label("Requests per minute").fill("1")
    _choose(page, "Only to these routes", "support")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Set the limit").click()
    expect(page.get_by_text("1 request per minute")).to_be_visible()
    statuses = [_call(stage, "support").status_code for _ in range(3)]
    assert statuses.count(429) >= 1, statuses

    page.get_by_role("button", name="Remove one a minute").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_text("There are no limits")).to_be_visible()
    _delete(page, "support")
    expect(page.get_by_role("link", name="support")).to_have_count(0)
    page.goto("/traffic/providers")
    page.get_by_role("button", name="Remove loop").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_text("There are no providers")).to_be_visible()
