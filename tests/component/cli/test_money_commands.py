"""`roundhouse prices` and `roundhouse budgets` against a scripted metering."""

from pathlib import Path
from typing import Any

import pytest

from tests.component.cli.conftest import Command
from tests.component.cli.scripted_server import Scripted

pytestmark = pytest.mark.contract("F01")

BOOKS, BUDGETS = "/api/v1/price-books", "/api/v1/budgets"
LINE: dict[str, Any] = {
    **dict.fromkeys(("tenant_id", "deployment_id", "provider_id", "device_class", "operation"), ""),
    "book": "standard",
    "version": 2,
    "model": "qwen3-*",
    "valid_from": "2026-11-21T09:00:00.000Z",
    "tier_from_tokens": 0,
    "rates": {"input_per_million": 150_000_000},
}
BOOK: dict[str, Any] = {
    "book": "standard",
    "version": 2,
    "currency": "USD",
    "valid_from": "2026-11-21T09:00:00.000Z",
    "note": "",
    "lines": [LINE],
}
BUDGET: dict[str, Any] = {
    "id": "bud_" + "a" * 32,
    "name": "research",
    "scope": "tenant",
    "scope_id": "ten_default",
    "unit": "money",
    "period": "month",
    "amount": 250_000_000_000,
    "spent": 12_500_000_000,
    "left": 237_500_000_000,
    "is_hard": True,
}
ONE = f"{BUDGETS}/{BUDGET['id']}"


@pytest.fixture
def metering(server: Scripted) -> Scripted:
    server.items(BOOKS, BOOK)
    server.on("GET", f"{BOOKS}/standard", BOOK)
    server.on("GET", f"{BOOKS}/standard:export", b"model,input_per_million\nqwen3-*,0.15\n")
    server.on("POST", f"{BOOKS}/standard:import", BOOK, status=201)
    answer = {"cost_nano": 150_000_000, "currency": "USD", "missing": "", "percent": 100}
    server.on("POST", f"{BOOKS}:preview", {**answer, "considered": [{"verdict": "chosen", "price": LINE}]})
    server.on("GET", "/api/v1/usage/unpriced", {"items": [], "records": 0})
    server.items(BUDGETS, BUDGET)
    server.on("GET", ONE, BUDGET, headers={"etag": '"2"'})
    server.on("POST", BUDGETS, BUDGET, status=201)
    server.on("PATCH", ONE, BUDGET)
    server.on("DELETE", ONE, b"", status=204)
    server.items(f"{ONE}/notices")
    return server


def test_prices_are_listed_shown_written_and_read(roundhouse: Command, metering: Scripted, tmp_path: Path) -> None:
    assert "standard" in roundhouse("prices", "ls").out
    assert "input per million 0.15" in roundhouse("prices", "show", "standard").out
    exported = roundhouse("prices", "export", "standard").out
    assert exported == "model,input_per_million\nqwen3-*,0.15\n"
    file = tmp_path / "prices.csv"
    file.write_text(exported)
    told = roundhouse("prices", "import", "standard", str(file), "--currency", "USD").err
    assert "version 2 with 1 lines" in told
    assert (metering.last("POST").query, metering.last("POST").content) == ({"currency": "USD"}, exported.encode())


def test_a_preview_says_the_cost_and_why(roundhouse: Command, metering: Scripted) -> None:
    told = roundhouse("prices", "preview", "qwen3-8b").err
    assert "0.15 USD" in told
    assert "chosen: standard version 2, qwen3-*" in told
    roundhouse("prices", "preview", "gpt-audio", "--input-audio", "7", "--output-images", "9")
    body = metering.last("POST").body
    assert isinstance(body, dict)
    assert {name: count for name, count in body.items() if "audio" in name or "image" in name} == {
        "input_audio_tokens": 7,
        "output_image_tokens": 9,
    }
    assert "Every request has a cost." in (said := roundhouse("prices", "unpriced")).out + said.err


def test_budgets_are_listed_created_changed_and_removed(roundhouse: Command, metering: Scripted) -> None:
    [_, line] = roundhouse("budgets", "ls").out.splitlines()
    for words in ("research", "tenant ten_default", "250.00", "12.50", "237.50", "hard"):
        assert words in line
    of = ("--of", "tenant:ten_default", "--hard", "--at", "80")
    assert (
        "research: 250.00 per month, hard." in roundhouse("budgets", "create", "research", "--amount", "250", *of).err
    )
    assert roundhouse("budgets", "set", "research", "--amount", "300").code == 0
    assert "research is removed." in roundhouse("budgets", "rm", "research").err
    said = roundhouse("budgets", "notices", "research")
    assert "No threshold was reached yet." in said.out + said.err


@pytest.mark.parametrize("wrong", [("--amount", "much", "--of", "tenant:t"), ("--amount", "1", "--of", "everybody")])
def test_what_is_no_budget_is_refused_before_anything_is_asked(
    roundhouse: Command, metering: Scripted, wrong: tuple[str, ...]
) -> None:
    assert roundhouse("budgets", "create", "x", *wrong).code == 2
