"""What providers are asked to find out whether a key is good, and what their answers mean."""

import json

import pytest

from roundhouse_catalog.domain.provider_check import Answer, CheckResult, judge, question_for
from roundhouse_catalog.domain.providers import ProviderDraft, create_provider
from roundhouse_common.runtime import UnixTime

SECRET = "sk-very-secret-1234"


@pytest.mark.parametrize(
    ("format_", "base_url", "url", "headers"),
    [
        ("openai", "https://api.a.com/v1", "https://api.a.com/v1/models", {"authorization": f"Bearer {SECRET}"}),
        (
            "anthropic",
            "https://api.b.com/v1",
            "https://api.b.com/v1/models",
            {"x-api-key": SECRET, "anthropic-version": "2023-06-01"},
        ),
        ("ollama", "http://c:11434", "http://c:11434/api/tags", {"authorization": f"Bearer {SECRET}"}),
        ("replicate", "https://api.d.com/v1", "https://api.d.com/v1/account", {"authorization": f"Bearer {SECRET}"}),
        ("openai", "https://openrouter.ai/api/v1", "https://openrouter.ai/api/v1/key", {}),
    ],
)
def test_each_format_is_asked_for_what_needs_its_key(
    format_: str, base_url: str, url: str, headers: dict[str, str]
) -> None:
    draft = ProviderDraft(name="x", format=format_, base_url=base_url, headers={"x-team": "a"})
    provider = create_provider(draft, provider_id="p", tenant_id="t", keys=(), now=UnixTime(0.0), actor="a")
    question = question_for(provider, SECRET)
    assert question.url == url
    assert {"x-team": "a", **headers}.items() <= dict(question.headers).items()
    assert SECRET not in repr(question_for(provider, ""))


@pytest.mark.parametrize(
    ("document", "names"),
    [
        ({"object": "list", "data": [{"id": "gpt-4o"}, {"id": "gpt-4o-mini"}]}, ("gpt-4o", "gpt-4o-mini")),
        ({"models": [{"name": "llama3:8b", "model": "llama3:8b"}]}, ("llama3:8b",)),
        ([{"id": "together/a"}], ("together/a",)),
        ({"data": {"label": "my key"}}, ()),
        ({"type": "user", "username": "acme"}, ()),
        ("text", ()),
        ({"data": [5, {"id": 7}, {"id": "a\nb"}]}, ()),
    ],
)
def test_names_are_read_from_every_kind_of_list(document: object, names: tuple[str, ...]) -> None:
    result, _, found = judge(Answer(status=200, body=json.dumps(document).encode()), secret=SECRET)
    assert (result, found) == (CheckResult.OK, names)


@pytest.mark.parametrize(
    ("status", "result"),
    [
        (401, CheckResult.REFUSED),
        (402, CheckResult.REFUSED),
        (403, CheckResult.REFUSED),
        (429, CheckResult.LIMITED),
        (404, CheckResult.FAILED),
        (302, CheckResult.FAILED),
        (500, CheckResult.FAILED),
    ],
)
def test_statuses_are_told_apart_and_the_secret_is_never_repeated(status: int, result: CheckResult) -> None:
    body = json.dumps({"error": {"message": f"Incorrect key: {SECRET}\n\x1b[31m"}}).encode()
    found, detail, _ = judge(Answer(status=status, body=body), secret=SECRET)
    assert found is result
    assert str(status) in detail
    assert SECRET not in detail
    assert detail.isprintable()


@pytest.mark.parametrize("body", [b"", b"<html>", b"[" * 100_000, b"\xff\xfe"])
def test_answers_that_are_no_json_do_not_break_the_check(body: bytes) -> None:
    assert judge(Answer(status=401, body=body), secret=SECRET)[:2] == (CheckResult.REFUSED, "401")
    assert judge(Answer(status=200, body=body), secret=SECRET)[0] is CheckResult.OK
