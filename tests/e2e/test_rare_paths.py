"""What people seldom do: sign in elsewhere, change what somebody else just changed, give a key away."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.planting import Planted
from tests.process.platform import DEMO, Platform
from tests.support.oidc_provider import identity_provider

pytestmark = pytest.mark.process


@pytest.fixture
def made(stage: Platform) -> Iterator[Planted]:
    """What a test makes by REST; it is removed afterwards."""
    with ExitStack() as undo:
        yield Planted(stage, undo)


@pytest.mark.contract("E07")
def test_a_person_signs_in_with_an_identity_provider(page: Page, stranger: Page, made: Planted) -> None:
    with identity_provider() as provider:
        provider.knows("alice", preferred_username="alice.l", name="Alice <b>L</b>", groups=["staff"])
        page.goto("/access/sign-on")
        page.get_by_role("button", name="Add a provider").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Name", exact=True).fill("wonderland")
        dialog.get_by_label("Issuer").fill(provider.issuer)
        dialog.get_by_label("Client id").fill("roundhouse")
        dialog.get_by_label("Client secret").fill("secret")
        dialog.get_by_label("What groups get").fill("staff = default: user")
        dialog.get_by_role("button", name="Add").click()
        expect(page.get_by_role("dialog", name="Test of wonderland")).to_contain_text("People can sign in with it.")

        stranger.goto("/login")
        stranger.get_by_text("Sign in with wonderland").click()
        stranger.wait_for_url(f"{provider.issuer}/**")
        stranger.goto(provider.log_in(stranger.url, "alice"))
        expect(stranger.get_by_role("button", name="Account: Alice <b>L</b>")).to_be_visible()
        expect(stranger.get_by_role("link", name="Playground")).to_be_visible()
        expect(stranger.get_by_role("link", name="Nodes")).to_have_count(0)
    for kind in ("oidc-providers", "users"):
        [found] = [
            one for one in made.send("GET", "catalog", kind)["items"] if one["name"] in ("wonderland", "alice.l")
        ]
        made.send("DELETE", "catalog", f"{kind}/{found['id']}")


def test_who_comes_second_is_told_and_overwrites_nothing(page: Page, made: Planted) -> None:
    made.make("route", "catalog", "routes", {"name": "twice", "alias_of": DEMO})
    path = f"routes/{made.ids['route']}"
    page.goto(f"/traffic/{path}")
    expect(page.get_by_role("heading", name="twice", level=1)).to_be_visible()
    made.send("PATCH", "catalog", path, {"access": "public"})
    page.get_by_label("Name", exact=True).fill("mine")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("Somebody else changed this since you opened it.")
    found = made.send("GET", "catalog", path)
    assert (found["name"], found["access"]) == ("twice", "public")


def test_a_key_is_handed_over(page: Page, made: Planted) -> None:
    made.make("heir", "catalog", "users", {"name": "heir", "roles": ["user"]})
    made.make("key", "catalog", "api-keys", {"name": "heirloom"})
    page.goto("/access")
    page.get_by_role("button", name="Hand over heirloom").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Hand over").click()
    expect(dialog.get_by_role("alert")).to_have_text("Choose somebody.")
    dialog.get_by_label("New owner").click()
    page.get_by_role("option", name="heir", exact=True).click()
    dialog.get_by_role("button", name="Hand over").click()
    row = page.get_by_role("row").filter(has_text="heirloom")
    expect(row.get_by_role("cell", name="heir", exact=True)).to_be_visible()
    assert made.send("GET", "catalog", f"api-keys/{made.ids['key']}")["user_id"] == made.ids["heir"]
