"""The life of a deployment in the browser: made by the wizard, scaled, tested, broken, understood, ended."""

import re

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.process

_NAME = "second-chat"
_STARTS_MS = 90_000
"""An engine on a busy machine."""


@pytest.fixture
def deployed(page: Page) -> Page:
    """The page of a second deployment of the real chat model, made by the wizard."""
    page.goto("/deployments/new?model=smollm2-135m-instruct")
    page.get_by_label("Name", exact=True).fill(_NAME)
    _next(page)
    page.get_by_label("Context, tokens").fill("512")
    page.get_by_label("Requests at once").fill("1")
    _next(page)
    page.get_by_label("Memory for each replica").fill("300 MiB")
    _next(page)
    expect(page.get_by_role("heading", name="Where it would run now")).to_be_visible()
    expect(page.get_by_text("300 MiB", exact=True)).to_be_visible()
    command = page.get_by_role("region", name="Command", exact=True)
    expect(command).to_contain_text(f"--alias {_NAME}")
    expect(command).to_contain_text("'********'")
    page.get_by_role("button", name="Deploy", exact=True).click()
    expect(page.get_by_role("heading", name=_NAME, level=1)).to_be_visible()
    return page


@pytest.mark.contract("B01")
@pytest.mark.contract("B02")
@pytest.mark.contract("B06")
@pytest.mark.contract("B07")
@pytest.mark.contract("B08")
@pytest.mark.contract("B13")
def test_a_deployment_is_made_scaled_tested_broken_and_ended(deployed: Page) -> None:
    page = deployed
    expect(page.get_by_text("Running", exact=True).first).to_be_visible(timeout=_STARTS_MS)

    _tab(page, "Settings")
    page.get_by_role("spinbutton", name="Replicas", exact=True).fill("2")
    page.get_by_role("button", name="Save replicas").click()
    expect(page.get_by_text("2 / 2")).to_be_visible(timeout=_STARTS_MS)

    _tab(page, "Test")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("status")).to_have_text("200 OK", timeout=_STARTS_MS)
    expect(page.get_by_role("log", name="Body")).to_contain_text("data: [DONE]", timeout=_STARTS_MS)
    expect(page.get_by_role("region", name="Headers")).to_contain_text("content-type: text/event-stream")

    _tab(page, "Logs")
    expect(page.get_by_role("log", name="Log")).to_contain_text(re.compile(r"\w{5}"))
    _tab(page, "Metrics")
    expect(page.get_by_role("heading", name="Processor").first).to_be_visible(timeout=30_000)

    _break(page)
    _end(page)


def _break(page: Page) -> None:
    """A version whose engine cannot start gives way to the one before, and the page says why it failed."""
    page.get_by_role("button", name="New version").click()
    expect(page.get_by_role("heading", name="New version", level=1)).to_be_visible()
    _next(page)
    page.get_by_label("Engine parameters, one per line: name=value").fill("chat_template_file=/nowhere.jinja")
    _next(page)
    _next(page)
    page.get_by_role("button", name="Deploy", exact=True).click()
    expect(page.get_by_role("heading", name=_NAME, level=1)).to_be_visible()
    diagnosis = page.get_by_role("alert").filter(has_text="Version 2 failed")
    expect(diagnosis).to_contain_text("Version 1 serves instead.", timeout=_STARTS_MS)
    expect(page.get_by_role("log").first).to_contain_text("chat template /nowhere.jinja is not there")


def _end(page: Page) -> None:
    page.goto("/deployments")
    page.get_by_role("link", name=_NAME).click()
    page.get_by_role("button", name="Stop", exact=True).click()
    page.get_by_role("alertdialog").get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stopped", exact=True).first).to_be_visible(timeout=_STARTS_MS)
    _tab(page, "Settings")
    page.get_by_role("button", name="Delete", exact=True).click()
    dialog = page.get_by_role("alertdialog")
    expect(dialog.get_by_role("button", name="Delete")).to_be_disabled()
    dialog.get_by_label(f"Type {_NAME} to go on").fill(_NAME)
    dialog.get_by_role("button", name="Delete").click()
    expect(page).to_have_url(re.compile(r"/deployments$"))
    expect(page.get_by_role("link", name=_NAME)).to_have_count(0)


def _tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()


def _next(page: Page) -> None:
    page.get_by_role("button", name="Next").locator("visible=true").click()
