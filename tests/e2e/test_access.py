"""Access: keys from making to revoking, people from invitation to their own view, and the audit of all that."""

import re
import time

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.people import PASSWORD, choose_password
from tests.process.platform import Platform

pytestmark = pytest.mark.process


def _row(page: Page, name: str) -> Locator:
    return page.get_by_role("row").filter(has_text=name)


def _ask(stage: Platform, key: str) -> int:
    """Send a chat message with the key; return the status."""
    body = {"model": "smollm2-135m-instruct", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}
    url = f"{stage.connection['router_url']}/v1/chat/completions"
    return httpx.post(url, json=body, headers={"authorization": f"Bearer {key}"}, timeout=30).status_code


def _answers(page: Page, stage: Platform, key: str, status: int) -> None:
    """Ask until the routers have heard of the key what the test waits for: within seconds."""
    deadline = time.monotonic() + 15
    while (found := _ask(stage, key)) != status:
        assert time.monotonic() < deadline, f"status {found}, not {status}"
        page.wait_for_timeout(200)


@pytest.mark.contract("E04")
def test_a_key_is_made_used_seen_as_used_and_revoked(page: Page, stage: Platform) -> None:
    page.goto("/access")
    page.get_by_role("button", name="Create a key").click()
    page.get_by_label("Name", exact=True).fill("journey key")
    page.get_by_role("button", name="Create", exact=True).click()
    dialog = page.get_by_role("dialog")
    shown = dialog.get_by_text(re.compile(r"^rh-\S+$"))
    expect(shown).to_be_visible()
    secret = shown.inner_text()
    expect(dialog.get_by_text("curl ")).to_contain_text("/v1/chat/completions")
    page.get_by_role("button", name="I have kept it").click()
    expect(dialog).to_be_hidden()
    assert secret not in page.content()

    _answers(page, stage, secret, 200)

    page.goto("/access")
    expect(_row(page, "journey key")).to_contain_text("everything")
    expect(_row(page, "journey key")).to_contain_text("today", timeout=40_000)
    _row(page, "journey key").get_by_role("button", name="Details").click()
    expect(page.get_by_role("dialog")).to_contain_text(re.compile(r"Last used\s*\d+ (s|min) ago"))
    page.get_by_role("button", name="Close").click()
    _row(page, "journey key").get_by_role("button", name="Revoke").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Revoke").click()
    expect(_row(page, "journey key")).to_contain_text("Revoked")
    _answers(page, stage, secret, 401)


@pytest.mark.contract("E01", "E02", "E08")
def test_an_invited_person_chooses_a_password_and_has_the_users_view(
    page: Page, chrome: Browser, console_url: str
) -> None:
    page.goto("/access/members")
    page.get_by_role("button", name="Invite a person").click()
    page.get_by_label("Login name").fill("journey-ada")
    page.get_by_label("Display name").fill("Ada")
    page.get_by_role("button", name="Invite", exact=True).click()
    dialog = page.get_by_role("dialog").filter(has_text="The first password")
    given = dialog.locator(".rh-code").inner_text()
    page.get_by_role("button", name="I have kept it").click()
    expect(_row(page, "journey-ada")).to_contain_text("user")

    with chrome.new_context(base_url=console_url) as context:
        theirs = context.new_page()
        choose_password(theirs, "journey-ada", given, PASSWORD)
        pages = theirs.get_by_role("navigation", name="Pages")
        expect(pages.get_by_text("Usage")).to_be_visible()
        expect(pages.get_by_text("Access")).to_be_visible()
        expect(pages.get_by_text("Nodes")).to_have_count(0)
        theirs.goto("/access")
        expect(theirs.get_by_text("Your keys.")).to_be_visible()
        expect(theirs.get_by_role("navigation", name="Access")).to_have_count(0)
        for path in ("/nodes", "/access/members", "/access/audit", "/access/tenants"):
            theirs.goto(path)
            expect(theirs.get_by_text("Your role does not include this page.")).to_be_visible()
        theirs.goto("/account")
        expect(theirs.get_by_role("heading", name="Your account")).to_be_visible()
        expect(theirs.get_by_role("region", name="Where you are signed in")).to_contain_text("this one")

    page.goto("/access/audit")
    page.get_by_label("Action").fill("user.")
    expect(_row(page, "user.add")).not_to_have_count(0)
    expect(_row(page, "session.start")).to_have_count(0)  # until then the rows are about to be others
    _row(page, "user.add").filter(has_text="journey-ada").first.get_by_role("button", name="Details").click()
    expect(page.get_by_role("region", name="Changes")).to_contain_text("journey-ada")


@pytest.mark.contract("E05")
def test_the_audit_is_verified_and_saved_as_a_file(page: Page) -> None:
    page.goto("/access/audit")
    page.get_by_role("button", name="Verify the chain").click()
    expect(page.get_by_role("dialog")).to_contain_text("entries hold")
    page.get_by_role("button", name="Close").click()
    saved = page.context.request.get("/download/audit/csv?action=session.start")
    assert saved.status == 200
    assert "audit.csv" in saved.headers["content-disposition"]
    assert "session.start" in saved.text()
    assert "deployment.create" not in saved.text()
    assert page.context.request.get("/download/audit/exe").status == 404


@pytest.mark.contract("E03")
def test_a_project_has_members_with_roles_and_bounds(page: Page) -> None:
    page.goto("/access/projects")
    page.get_by_role("button", name="Create a project").click()
    page.get_by_label("Name", exact=True).fill("journey search")
    page.get_by_label("Replicas").fill("2")
    page.get_by_label("Storage for uploads").fill("5 GiB")
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_role("heading", name="journey search")).to_be_visible()
    expect(page.get_by_text("5 GiB")).to_be_visible()
    page.get_by_role("button", name="Add a member").click()
    page.get_by_label("Who").click()
    page.get_by_role("option", name="admin", exact=True).click()
    page.get_by_role("button", name="Add", exact=True).click()
    expect(_row(page, "admin")).to_contain_text("deployer")


def test_a_role_of_the_tenants_own_is_made_and_removed(page: Page) -> None:
    page.goto("/access/roles")
    page.get_by_role("button", name="Create a role").click()
    page.get_by_label("Name", exact=True).fill("journey on call")
    page.get_by_role("group", name="logs").get_by_role("checkbox", name="read").click()
    page.get_by_role("button", name="Create", exact=True).click()
    expect(_row(page, "journey on call")).to_contain_text("logs")
    _row(page, "journey on call").get_by_role("button", name="Remove").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Remove").click()
    expect(_row(page, "journey on call")).to_have_count(0)


def test_a_token_is_shown_once_and_can_be_revoked(page: Page) -> None:
    page.goto("/account")
    page.get_by_role("button", name="Create a token").click()
    page.get_by_label("Name", exact=True).fill("journey token")
    page.get_by_role("button", name="Create", exact=True).click()
    secret = page.get_by_role("dialog").locator(".rh-code").inner_text()
    page.get_by_role("button", name="I have kept it").click()
    expect(_row(page, "journey token")).to_contain_text("Active")
    assert secret not in page.content()
    _row(page, "journey token").get_by_role("button", name="Revoke").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Revoke").click()
    expect(_row(page, "journey token")).to_contain_text("Revoked")
