"""What operators settle and mend in a browser: templates, switches, prices of the past, kept answers, dead letters."""

import re

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.process

_MODEL = "smollm2-135m-instruct"
_TEMPLATE = "small-chat"


@pytest.mark.contract("A09")
@pytest.mark.contract("A14")
def test_a_template_is_made_edited_deployed_with_and_deleted(page: Page) -> None:
    page.goto("/deployments")
    page.get_by_role("link", name="Templates", exact=True).click()
    page.get_by_role("link", name="New template").click()
    page.get_by_label("Name", exact=True).fill(_TEMPLATE)
    page.get_by_label("Description").fill("Two requests at once.")
    page.get_by_label("Names of models").fill("smollm2*")
    page.get_by_label("Context, tokens").fill("512")
    page.get_by_label("Requests at once").fill("2")
    page.get_by_label("Memory for each replica").fill("300 MiB")
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_role("heading", name=_TEMPLATE, level=1)).to_be_visible()

    page.get_by_role("link", name="Edit", exact=True).click()
    expect(page.get_by_label("Names of models")).to_have_value("smollm2*")
    page.get_by_label("Requests at once").fill("1")
    page.get_by_role("button", name="Save as the next number").click()
    expect(page.get_by_text("parameters.parallel: 2 → 1")).to_be_visible()

    page.get_by_role("link", name="Deploy with it").click()
    expect(page.get_by_label("Template", exact=True)).to_have_value(_TEMPLATE)
    for _ in range(3):
        page.get_by_role("button", name="Next").locator("visible=true").click()
    expect(page.get_by_text(f"{_TEMPLATE}@2")).to_be_visible()
    command = page.get_by_role("region", name="Command", exact=True)
    expect(command).to_contain_text("--parallel 1 --context 512")

    page.goto(f"/deployments/templates/{_TEMPLATE}")
    page.get_by_role("button", name="Delete", exact=True).click()
    dialog = page.get_by_role("alertdialog")
    expect(dialog).to_contain_text("All its numbers go")
    dialog.get_by_role("button", name="Delete").click()
    expect(page).to_have_url(re.compile(r"/deployments/templates$"))
    expect(page.get_by_role("link", name=_TEMPLATE)).to_have_count(0)


@pytest.mark.contract("A13")
@pytest.mark.contract("A15")
def test_a_model_is_switched_to(page: Page) -> None:
    page.goto("/deployments/switches")
    page.get_by_role("button", name="Switch to a model").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Deployment").click()
    page.get_by_role("option", name=_MODEL).click()
    dialog.get_by_role("button", name="Switch", exact=True).click()
    row = page.get_by_role("row").filter(has_text=_MODEL).first
    expect(row).to_contain_text("Ready", timeout=60_000)
    row.get_by_role("button", name="Steps").click()
    expect(page.get_by_role("dialog")).to_contain_text("ready on")


@pytest.mark.contract("F01")
def test_a_period_is_priced_again_after_it_was_shown_what_would_change(page: Page) -> None:
    page.goto("/usage/prices")
    page.get_by_role("link", name="Price again").click()
    page.get_by_role("button", name="Show what would change").click()
    expect(page.get_by_text("Say why: it stays with the corrections.")).to_be_visible()
    page.get_by_label("Why; it stays with the corrections").fill("a look")
    page.get_by_role("button", name="Show what would change").click()
    expect(page.get_by_role("heading", name="What would change")).to_be_visible()
    expect(page.get_by_text("Looked at", exact=True)).to_be_visible()


@pytest.mark.contract("D19")
@pytest.mark.contract("D14")
def test_traffic_tells_who_is_passed_over_and_forgets_kept_answers(page: Page) -> None:
    page.goto("/traffic/flow")
    expect(page.get_by_role("heading", name="Passed over")).to_be_visible()
    expect(page.get_by_role("region", name="Endpoints").get_by_role("link", name=_MODEL)).to_be_visible()
    page.get_by_role("button", name="Forget all answers").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Forget").click()
    expect(page.get_by_text(re.compile(r"answers? (is|are) forgotten"))).to_be_visible()


def test_dead_letters_of_every_service_are_listed(page: Page) -> None:
    page.goto("/dead-letters")
    for service in ("catalog", "scheduler", "metering"):
        expect(page.get_by_role("heading", name=f"The {service} service")).to_be_visible()
    expect(page.get_by_text("There are none: every message was processed.")).to_have_count(3)
