"""The marketplace: a model comes from a file of the browser, is published, found, looked at, and deleted."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.support.gguf_files import Value, write_gguf

pytestmark = pytest.mark.process

_NAME = "Journey-7M"
_METADATA: dict[str, Value] = {
    "general.architecture": "llama",
    "general.file_type": 7,
    "llama.block_count": 2,
    "llama.context_length": 4096,
    "llama.embedding_length": 256,
    "llama.feed_forward_length": 512,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "llama.vocab_size": 1000,
}
_TENSORS = {
    "token_embd.weight": ("Q8_0", [256, 1000]),
    **{f"blk.{layer}.attn_{part}.weight": ("Q8_0", [256, 256]) for layer in range(2) for part in ("q", "output")},
    **{f"blk.{layer}.attn_{part}.weight": ("Q8_0", [256, 128]) for layer in range(2) for part in ("k", "v")},
    **{f"blk.{layer}.ffn_{part}.weight": ("Q8_0", [256, 512]) for layer in range(2) for part in ("up", "gate")},
}


@pytest.mark.contract("G02", "G08")
def test_a_model_of_the_browsers_own_file_is_added_published_found_and_deleted(page: Page, tmp_path: Path) -> None:
    file = write_gguf(tmp_path / "journey.gguf", _METADATA, _TENSORS)
    page.goto("/models")
    page.get_by_role("button", name="Add a model").click()
    page.get_by_role("tab", name="Upload").click()
    page.get_by_label("Choose files, or drop them here").set_input_files(file)
    page.get_by_label("Name", exact=True).fill(_NAME)
    page.get_by_label("Tags").fill("journey, tiny")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("heading", name=_NAME, level=1)).to_be_visible()
    expect(page.get_by_text("Not published", exact=True)).to_be_visible()
    expect(page.get_by_text("4 096 tokens")).to_be_visible()
    expect(page.get_by_role("region", name="Memory of one replica").get_by_text("MiB").first).to_be_visible()

    page.get_by_role("button", name="Publish", exact=True).click()
    expect(page.get_by_role("button", name="Withdraw")).to_be_visible()
    page.get_by_role("link", name="Marketplace").first.click()
    card = page.get_by_role("article").filter(has_text=_NAME)
    expect(card.get_by_text("4 096")).to_be_visible()
    page.get_by_label("Search models").fill("nothing of the kind")
    expect(page.get_by_text("No model is like that.", exact=False)).to_be_visible()
    page.get_by_label("Search models").fill("journey")
    expect(page.get_by_role("article")).to_have_count(1)
    card.get_by_role("link", name=_NAME).click()
    expect(page.get_by_role("heading", name=_NAME, level=1)).to_be_visible()

    page.get_by_role("button", name="More").click()
    page.get_by_role("menuitem", name="Delete").click()
    dialog = page.get_by_role("alertdialog")
    expect(dialog.get_by_role("button", name="Delete")).to_be_disabled()
    dialog.get_by_label(f"Type {_NAME} to go on").fill(_NAME)
    dialog.get_by_role("button", name="Delete").click()
    expect(page).to_have_url(re.compile("/models$"))
    expect(page.get_by_role("article").first).to_be_visible()
    expect(page.get_by_role("article").filter(has_text=_NAME)).to_have_count(0)


def test_a_model_that_runs_says_what_is_in_its_files(page: Page) -> None:
    """The bundled one was added with its needs stated, so nobody had to read its files to deploy it."""
    page.goto("/models")
    page.get_by_role("link", name="smollm2-135m-instruct").first.click()
    panel = page.locator(".rh-panel").filter(has=page.get_by_role("heading", name="What it is"))
    expect(panel.get_by_text("llama", exact=True)).to_be_visible()
    expect(panel.get_by_text("have not been read")).to_have_count(0)


def test_an_upload_says_what_it_does(page: Page, tmp_path: Path) -> None:
    """Pieces are held back by the browser's own network, so that what shows meanwhile can be read."""
    file = write_gguf(tmp_path / "slow.gguf", _METADATA, _TENSORS)
    held: list[Route] = []
    page.route("**/uploads/**", lambda route: held.append(route))
    page.goto("/models/add")
    page.get_by_role("tab", name="Upload").click()
    page.get_by_label("Choose files, or drop them here").set_input_files(file)
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("status").get_by_text("Sending the files: 0 %")).to_be_visible()
    expect(page.get_by_role("progressbar", name="slow.gguf")).to_contain_text("sending 0 %")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Given up.")).to_be_visible()
    expect(page.get_by_text("Sending the files")).to_have_count(0)
    page.unroute_all(behavior="ignoreErrors")


@pytest.mark.contract("G04", "G06")
def test_a_model_is_put_on_trial_and_says_how_programs_call_it(page: Page) -> None:
    page.goto("/models")
    page.get_by_role("article").get_by_role("link", name="smollm2-135m-instruct", exact=True).click()
    example = page.get_by_text("curl 'http", exact=False)
    expect(example).to_contain_text("/v1/chat/completions")
    expect(example).to_contain_text('"model": "')
    expect(example).not_to_contain_text(re.compile("rh-[A-Za-z0-9]{20}"))
    page.get_by_role("tab", name="Python").click()
    expect(page.get_by_text("from openai import OpenAI", exact=False)).to_be_visible()

    page.get_by_role("button", name="More").click()
    page.get_by_role("menuitem", name="Trial service").click()
    page.get_by_label("Deployment to try it with").click()
    page.get_by_role("option", name="smollm2-135m-instruct").click()
    page.get_by_text('Give it the access "tenant" when it is private').click()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Trial", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="Try", exact=True)).to_have_attribute(
        "href", "/playground?model=smollm2-135m-instruct"
    )


def test_an_address_that_is_none_is_refused_where_it_was_typed(page: Page) -> None:
    page.goto("/models/add")
    page.get_by_label("Repository").fill("not a repository")
    page.get_by_label("Name", exact=True).fill("nothing")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("source.uri", exact=False)).to_be_visible()
    expect(page.get_by_role("heading", name="Add a model", level=1)).to_be_visible()
