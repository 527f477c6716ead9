"""The playground with the real engine: ask, watch, stop, ask again, compare, find it again."""

import re
import time

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.planting import Planted
from tests.process.platform import DEMO, Platform

pytestmark = pytest.mark.process

_ANSWER_MS = 60_000
_NASTY = (
    "**bold** <script>window.hurt = 1</script> <img src=x onerror='window.hurt = 2'> [link](javascript:window.hurt=3) "
    "<style>body { display: none }</style> <a href='javascript:window.hurt=4' style='position:fixed'>raw</a> "
    "![image](https://elsewhere.example/x.png)"
)


def ask(page: Page, prompt: str) -> None:
    page.get_by_label("Ask something").fill(prompt)
    page.get_by_label("Ask something").press("Enter")
    expect(page.get_by_role("log").first.get_by_text(prompt).last).to_be_visible()


def answers(page: Page) -> Locator:
    return page.locator(".rh-said-assistant")


def expect_done(page: Page) -> None:
    expect(page.get_by_role("button", name="Send")).to_be_visible(timeout=_ANSWER_MS)


def set_most_tokens(page: Page, most: int) -> None:
    page.get_by_role("button", name="Settings").click()
    page.get_by_label("Most tokens").fill(str(most))
    page.get_by_role("button", name="Use").click()
    expect(page.get_by_label("Most tokens")).to_have_count(0)


@pytest.mark.contract("G05")
def test_an_answer_streams_stops_comes_in_versions_and_is_found_again(page: Page) -> None:
    page.goto("/playground")
    ask(page, "Tell me a very long story of a dragon")
    expect(answers(page).locator(".rh-said-text")).to_contain_text(re.compile(r"\w+ \w+ \w+"), timeout=_ANSWER_MS)
    page.get_by_role("button", name="Stop").click()
    expect(answers(page)).to_contain_text("Stopped.")
    expect(answers(page)).to_contain_text("first token")
    expect_done(page)

    set_most_tokens(page, 6)
    answers(page).get_by_role("button", name="Regenerate").click()
    expect(answers(page)).to_contain_text("2 / 2", timeout=_ANSWER_MS)
    expect(answers(page)).to_contain_text("Cut at the most tokens.")
    answers(page).get_by_role("button", name="Previous version").click()
    expect(answers(page)).to_contain_text("Stopped.")

    expect(page).to_have_url(re.compile(r"/playground/cnv_"))
    page.reload()
    expect(answers(page)).to_contain_text("1 / 2")
    page.get_by_role("button", name="Rename or move").first.click()
    page.get_by_label("Title").fill("The dragon")
    page.get_by_label("Folder, empty for none").fill("Stories")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("heading", name="Stories")).to_be_visible()
    page.get_by_label("Search conversations").fill("no such words")
    expect(page.get_by_text("Nothing matches.")).to_be_visible()
    page.get_by_label("Search conversations").fill("dragon")
    expect(page.get_by_role("button", name=re.compile("^The dragon"))).to_be_visible()


@pytest.mark.contract("G07")
def test_two_models_answer_the_same_prompt_side_by_side(page: Page) -> None:
    page.goto("/playground")
    set_most_tokens(page, 5)
    page.get_by_role("button", name="Add a model").click()
    expect(page.get_by_role("log")).to_have_count(2)
    ask(page, "What is water?")
    expect_done(page)
    for column in page.get_by_role("log").all():
        expect(column).to_contain_text("+ 5 tokens", timeout=_ANSWER_MS)
        expect(column).to_contain_text(re.compile(r"first token [\d.]+ s · [\d.]+ tokens/s"))
        expect(column).to_contain_text("cost", timeout=_ANSWER_MS)
    page.get_by_role("button", name="Code").click()
    expect(page.get_by_role("region", name="The same by API")).to_contain_text("YOUR_API_KEY")


def test_markup_in_prompts_and_answers_does_nothing(page: Page) -> None:
    page.goto("/playground")
    set_most_tokens(page, 3)
    ask(page, _NASTY)
    expect_done(page)
    answers(page).get_by_role("button", name="Edit").click()
    answers(page).get_by_role("textbox").fill(_NASTY)
    page.get_by_role("button", name="Save as a new version").click()
    shown = page.locator(".rh-said-markdown")
    expect(shown.locator("strong")).to_have_text("bold")
    page.reload()
    expect(shown.locator("strong")).to_have_text("bold")
    assert shown.locator("script, img, style, [style], [onerror], a[href^=javascript]").count() == 0
    expect(shown).to_contain_text("<script>")
    assert page.evaluate("window.hurt") is None


def _until_offered(page: Page, model: str) -> None:
    """Open the playground with a model until the router has heard of it: until then another is chosen."""
    deadline = time.monotonic() + _ANSWER_MS / 1000
    while True:
        page.goto(f"/playground?model={model}")
        if page.get_by_label("Model", exact=True).input_value() == model:
            return
        assert time.monotonic() < deadline


def test_a_model_that_cannot_answer_is_not_the_one_to_begin_with(page: Page, stage: Platform) -> None:
    """Its name comes first; it needs more memory than any node has, so it never gets ready."""
    services = Planted.empty(stage)
    wanted = {"name": "a-first-name", "model": DEMO, "engine": "llama.cpp", "resources": {"memory_bytes": 2**50}}
    made = services.send("POST", "catalog", "deployments", wanted)["id"]
    status = f"deployments/{made}/status"
    try:
        _until_offered(page, "a-first-name")
        expect(page.get_by_role("status").get_by_text("a-first-name cannot answer now")).to_be_visible()
        page.goto("/playground")
        expect(page.get_by_label("Model", exact=True)).to_have_value(DEMO)
        expect(page.get_by_text("cannot answer now")).to_have_count(0)
    finally:
        services.send("POST", "catalog", f"deployments/{made}:stop")
        services.wait_for(lambda found: found["state"] == "Stopped", "scheduler", status)
        services.send("DELETE", "catalog", f"deployments/{made}")


def test_what_the_router_refuses_is_said_at_the_message(page: Page) -> None:
    page.goto("/playground")
    set_most_tokens(page, 3)
    page.get_by_role("button", name="Settings").click()
    page.get_by_label("Tools, as a JSON array of function definitions").fill("{ not JSON")
    page.get_by_role("button", name="Use").click()
    expect(page.get_by_role("alert")).to_contain_text("is not JSON")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("dialog")).to_have_count(0)  # when it goes, the button that opened it has the focus again
    ask(page, "word " * 20_000)
    expect(answers(page).get_by_role("alert")).to_be_visible(timeout=_ANSWER_MS)
    expect(answers(page).get_by_role("button", name="Try again")).to_be_visible()
