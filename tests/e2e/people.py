"""What people do at the console's door."""

from playwright.sync_api import Page, expect

__all__ = ["PASSWORD", "choose_password", "sign_in", "sign_out"]

PASSWORD = "a long enough password"


def choose_password(page: Page, name: str, given: str, chosen: str) -> None:
    """Sign in with a password that somebody gave, and choose one's own."""
    page.goto("/login")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Password", exact=True).fill(given)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("The password that you were given").fill(given)
    page.get_by_label("New password", exact=True).fill(chosen)
    page.get_by_label("New password, again").fill(chosen)
    page.get_by_role("button", name="Set password and sign in").click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()


def sign_in(page: Page, name: str, password: str) -> None:
    page.goto("/login")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("h1.rh-title")).to_be_visible()


def sign_out(page: Page) -> None:
    page.get_by_role("button", name="Account").click()
    page.get_by_text("Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
