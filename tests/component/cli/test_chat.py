"""`roundhouse chat` against a scripted router."""

import io
import json
from collections.abc import Iterator

import pytest

from tests.component.cli.conftest import Command
from tests.component.cli.scripted_server import Scripted

_PATH = "/v1/chat/completions"


def stream(*pieces: str) -> bytes:
    events = [json.dumps({"choices": [{"delta": {"content": piece}}]}) for piece in pieces]
    return "".join(f"data: {event}\n\n" for event in [*events, "[DONE]"]).encode()


class Terminal(io.StringIO):
    """Standard input that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


def test_one_question_gets_one_answer(roundhouse: Command, server: Scripted) -> None:
    server.on("POST", _PATH, stream("Par", "is", "."))

    result = roundhouse("chat", "tiny", "Capital of France?", "--system", "Be brief.", "--max-tokens", "9")

    assert result.code == 0
    assert result.out == "Paris.\n"
    asked = server.last("POST")
    assert asked.headers["authorization"] == "Bearer rh-key"
    assert asked.body == {
        "model": "tiny",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Capital of France?"},
        ],
        "stream": True,
        "max_tokens": 9,
        "temperature": 0.2,
    }


def test_a_prompt_may_come_on_standard_input(
    roundhouse: Command, server: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.on("POST", _PATH, stream("Yes"))
    monkeypatch.setattr("sys.stdin", io.StringIO("Is it?\n"))

    assert roundhouse("chat", "tiny").out == "Yes\n"
    assert server.last("POST").body["messages"] == [{"role": "user", "content": "Is it?"}]


def test_a_session_remembers_what_was_said(
    roundhouse: Command, server: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.on("POST", _PATH, stream("Paris"))
    server.on("POST", _PATH, stream("Two million"))
    monkeypatch.setattr("sys.stdin", Terminal("Capital of France?\n\nHow large?\n"))

    result = roundhouse("chat", "tiny")

    assert result.code == 0
    assert server.last("POST").body["messages"] == [
        {"role": "user", "content": "Capital of France?"},
        {"role": "assistant", "content": "Paris"},
        {"role": "user", "content": "How large?"},
    ]


def test_an_error_ends_the_answer_and_not_the_session(
    roundhouse: Command, server: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.on("POST", _PATH, {"error": {"message": "no ready replica", "code": "no_ready_replica"}}, status=503)
    server.on("POST", _PATH, stream("Yes"))
    monkeypatch.setattr("sys.stdin", Terminal("One?\nTwo?\n"))

    result = roundhouse("chat", "tiny")

    assert result.code == 0
    assert "no ready replica" in result.err
    assert "Yes" in result.out
    assert server.last("POST").body["messages"] == [{"role": "user", "content": "Two?"}]


def test_ctrl_c_ends_the_answer_and_not_the_session(
    roundhouse: Command, server: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: Iterator[str | KeyboardInterrupt] = iter([KeyboardInterrupt(), "Yes"])

    def answer(*_: object, **__: object) -> str:
        found = next(answers)
        if isinstance(found, KeyboardInterrupt):
            raise found
        return found

    monkeypatch.setattr("roundhouse_cli.commands.chat._answer", answer)
    monkeypatch.setattr("sys.stdin", Terminal("One?\nTwo?\n"))

    assert roundhouse("chat", "tiny").code == 0
    assert next(answers, None) is None


@pytest.mark.parametrize("code", ["model_not_found", "invalid_api_key"])
def test_a_refused_question_is_told_in_the_routers_words(roundhouse: Command, server: Scripted, code: str) -> None:
    error = {"error": {"message": f"It is {code}.", "type": "invalid_request_error", "param": None, "code": code}}
    server.on("POST", _PATH, error, status=404)

    assert f"It is {code}." in roundhouse.fails("chat", "tiny", "hello").err
