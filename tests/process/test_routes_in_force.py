"""Routes and limits that are changed on the command line: what clients get, and how soon."""

import statistics
import time
from collections.abc import Callable, Iterator

import httpx
import openai
import pytest

from tests.process.platform import DEMO, Platform

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]

WITHIN_S = 1.0


@pytest.fixture
def client(platform: Platform) -> Iterator[openai.OpenAI]:
    connection = platform.connection
    base_url = f"{connection['router_url']}/v1"
    with openai.OpenAI(base_url=base_url, api_key=connection["api_key"], max_retries=0) as client:
        yield client


def ask(client: openai.OpenAI, model: str) -> str:
    """Return how a small request ends: `ok`, or the error's code."""
    messages: list[openai.types.chat.ChatCompletionMessageParam] = [{"role": "user", "content": "Hi"}]
    try:
        answer = client.chat.completions.create(model=model, messages=messages, max_tokens=1)
    except openai.APIStatusError as error:
        return str(error.code)
    assert answer.model == model
    return "ok"


def seconds_until(is_so: Callable[[], bool]) -> float:
    """Return how long it took; fails after 10 s."""
    began = time.monotonic()
    while not is_so():
        assert time.monotonic() - began < 10, "a change is not in force"
        time.sleep(0.02)
    return time.monotonic() - began


@pytest.mark.contract("D08", "D09")
def test_names_change_under_the_eyes_of_clients_within_a_second(platform: Platform, client: openai.OpenAI) -> None:
    connection, delays = platform.connection, []
    headers = {"authorization": f"Bearer {connection['admin_token']}"}
    assert ask(client, "gpt-4") == "model_not_found"
    with httpx.Client(base_url=f"{connection['catalog_url']}/api/v1/", headers=headers) as catalog:
        for _ in range(5):
            made = catalog.post("routes", json={"name": "gpt-*", "alias_of": DEMO}).json()
            delays.append(seconds_until(lambda: ask(client, "gpt-4") == "ok"))
            catalog.delete(f"routes/{made['id']}")
            delays.append(seconds_until(lambda: ask(client, "gpt-4") == "model_not_found"))
    assert statistics.median(delays) < WITHIN_S, delays


@pytest.mark.contract("D08")
def test_a_route_with_settings_is_what_its_preview_says(platform: Platform, client: openai.OpenAI) -> None:
    platform.command("routes", "create", "chat", "--to", f"{DEMO}=9", "--balancing", "round-robin", "--cache", "1m")
    seconds_until(lambda: ask(client, "chat") == "ok")
    told = platform.json("routes", "preview", "chat")
    assert [(one["deployment_name"], one["percent"]) for one in told["targets"]] == [(DEMO, 100.0)]
    assert (told["settings"]["balancing"]["strategy"], told["settings"]["cache"]["ttl_s"]) == ("round-robin", 60.0)
    platform.command("routes", "rm", "chat")


@pytest.mark.contract("D03")
def test_a_limit_holds_and_ends_within_a_second(platform: Platform, client: openai.OpenAI) -> None:
    platform.command("limits", "create", "few", "--per", "key", "--requests-per-minute", "1")
    held_after = seconds_until(lambda: ask(client, DEMO) == "rate_limit_exceeded")
    platform.command("limits", "rm", "few")
    ended_after = seconds_until(lambda: ask(client, DEMO) == "ok")
    assert max(held_after, ended_after) < 2 * WITHIN_S, (held_after, ended_after)


def test_a_deployments_name_and_a_routes_name_exclude_each_other(platform: Platform, client: openai.OpenAI) -> None:
    platform.command("routes", "create", "talk", "--alias-of", DEMO)
    refused = platform.try_command("deploy", DEMO, "--name", "talk")
    assert (refused.returncode, 'Another route is called "talk"' in refused.stderr) == (1, True)
    refused = platform.try_command("routes", "rm", DEMO)
    assert "deployment's own route" in refused.stderr
    platform.command("routes", "rm", "talk")
