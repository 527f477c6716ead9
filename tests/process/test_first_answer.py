"""What a newcomer does first: type one command, paste the curl line, point an OpenAI client at it."""

import json
import re
import subprocess
from collections.abc import Iterator

import openai
import pytest

from tests.process.platform import DEMO, Platform

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]


@pytest.fixture
def client(platform: Platform) -> Iterator[openai.OpenAI]:
    connection = platform.connection
    with openai.OpenAI(base_url=f"{connection['router_url']}/v1", api_key=connection["api_key"]) as client:
        yield client


@pytest.mark.contract("A01", "A03", "A16")
def test_the_printed_curl_line_answers_when_pasted(platform: Platform) -> None:
    printed = platform.up()
    line = re.search(r"^\s*(curl .*(?:\\\n.*)*)", printed, re.MULTILINE)
    assert line, f"no curl line in:\n{printed}"

    done = subprocess.run(["sh", "-c", line.group(1)], capture_output=True, text=True, timeout=60, check=True)

    answer = json.loads(done.stdout)
    assert answer["choices"][0]["message"]["content"].strip()
    assert answer["model"] == DEMO


@pytest.mark.contract("A03", "D11", "H04")
def test_openai_sdk_answers_and_counts_tokens(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model=DEMO,
        messages=[{"role": "user", "content": "What is gravity?"}],
        max_tokens=24,
        temperature=0,
    )

    assert "ravity" in (answer.choices[0].message.content or "")
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 0


@pytest.mark.contract("D11", "F04")
def test_openai_sdk_streams_with_usage_only_when_asked(client: openai.OpenAI) -> None:
    def stream(**options: object) -> list[openai.types.chat.ChatCompletionChunk]:
        return list(
            client.chat.completions.create(
                model=DEMO,
                messages=[{"role": "user", "content": "Say hello."}],
                max_tokens=12,
                stream=True,
                **options,  # type: ignore[call-overload]  # the overloads do not take unpacked options
            )
        )

    asked = stream(stream_options={"include_usage": True})
    plain = stream()

    assert asked[-1].usage is not None
    assert asked[-1].usage.completion_tokens > 0
    assert asked[-1].choices == []
    assert "".join(chunk.choices[0].delta.content or "" for chunk in plain if chunk.choices)
    assert all(chunk.usage is None and chunk.choices for chunk in plain)


def list_models_often(client: openai.OpenAI) -> None:
    """A hundred calls, a fraction of a second in all."""
    for _ in range(100):
        client.models.list()


def test_openai_sdk_lists_the_demo_model(client: openai.OpenAI) -> None:
    assert DEMO in [model.id for model in client.models.list()]


def test_a_wrong_key_and_an_unknown_model_are_told_in_openai_errors(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="no-such-model", messages=[{"role": "user", "content": "hi"}])
    with pytest.raises(openai.AuthenticationError) as refused:
        client.with_options(api_key="rh-wrong").models.list()

    assert unknown.value.code == "model_not_found"
    assert refused.value.code == "invalid_api_key"


@pytest.mark.contract("E04")
def test_a_revoked_key_is_refused_within_seconds(platform: Platform, client: openai.OpenAI) -> None:
    made = platform.json("keys", "create", "short-lived")
    fresh = client.with_options(api_key=made["secret"], max_retries=0)
    assert [model.id for model in fresh.models.list()]

    platform.command("keys", "revoke", made["id"])

    with pytest.raises(openai.AuthenticationError):
        list_models_often(fresh)
