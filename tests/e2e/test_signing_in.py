"""The door of the console: who gets in, how, and how one is out."""

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.people import PASSWORD, sign_in, sign_out

pytestmark = pytest.mark.process


def test_who_is_not_signed_in_comes_to_where_they_wanted_after_signing_in(stranger: Page, administrator: str) -> None:
    stranger.goto("/deployments")
    expect(stranger.get_by_role("heading", name="Sign in")).to_be_visible()
    stranger.get_by_label("Name", exact=True).fill(administrator)
    stranger.get_by_label("Password", exact=True).fill(PASSWORD)
    stranger.get_by_role("button", name="Sign in").click()
    expect(stranger.get_by_role("heading", name="Deployments", level=1)).to_be_visible()
    assert stranger.url.endswith("/deployments")


def test_a_wrong_password_is_told_and_changes_nothing(stranger: Page, administrator: str) -> None:
    stranger.goto("/login")
    stranger.get_by_label("Name", exact=True).fill(administrator)
    stranger.get_by_label("Password", exact=True).fill("not this one")
    stranger.get_by_role("button", name="Sign in").click()
    expect(stranger.get_by_role("alert")).to_be_visible()
    assert stranger.get_by_label("Name", exact=True).input_value() == administrator
    assert stranger.context.cookies() == [one for one in stranger.context.cookies() if one["name"].startswith("rh_")]


def test_after_signing_out_other_pages_of_the_browser_are_closed(stranger: Page, administrator: str) -> None:
    sign_in(stranger, administrator, PASSWORD)
    other = stranger.context.new_page()
    other.goto("/deployments")
    expect(other.get_by_role("heading", name="Deployments", level=1)).to_be_visible()
    sign_out(stranger)
    expect(other.get_by_role("heading", name="Sign in")).to_be_visible()


def test_no_script_reads_the_session(context: BrowserContext, page: Page) -> None:
    page.goto("/")
    expect(page.get_by_role("navigation", name="Pages")).to_be_visible()
    kept = next(one for one in context.cookies() if one["name"] == "roundhouse_session")
    assert kept["httpOnly"]
    assert kept["sameSite"] == "Lax"
    assert kept["value"] not in page.content()
    assert "roundhouse_session" not in page.evaluate("document.cookie")


def test_other_sites_neither_write_nor_frame_nor_open_sockets(console_url: str, context: BrowserContext) -> None:
    cookie = next(one for one in context.cookies() if one["name"] == "roundhouse_session")["value"]
    foreign = {"origin": "https://elsewhere.example", "cookie": f"roundhouse_session={cookie}"}
    with httpx.Client(base_url=console_url, headers=foreign) as client:
        assert client.post("/logout").status_code == 403
        shown = client.get("/")
        upgrade = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
        socket = client.get(
            "/_nicegui_ws/socket.io/?transport=websocket&EIO=4&client_id=x",
            headers={**upgrade, "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="},
        )
    assert shown.status_code == 200
    assert "frame-ancestors 'none'" in shown.headers["content-security-policy"]
    assert shown.headers["x-frame-options"] == "DENY"
    assert socket.status_code == 403
