"""What is taken out of texts before they are written to the request log."""

import json
import time

import msgspec
import pytest

from roundhouse_router.domain.redaction import MARGIN, Redactor, read_patterns
from roundhouse_router.request_log.texts import READ_MOST, shown_answer, shown_request
from tests.support.scripted_engine import DONE, chunk, sse

ROUNDHOUSE_KEY = "rh-" + "aB3_" * 10 + "xyz"
CARD = "4111 1111 1111 1111"


@pytest.mark.contract("E05")
@pytest.mark.parametrize(
    ("secret", "name"),
    [
        (ROUNDHOUSE_KEY, "api_key"),
        ("sk-proj-abcdefghijklmnopqrst", "api_key"),
        ("sk-ant-api03-abcdefghijklmnop", "api_key"),
        ("hf_abcdefghijklmnopqrst", "api_key"),
        ("r8_abcdefghijklmnopqrst", "api_key"),
        ("AKIAIOSFODNN7EXAMPLE", "api_key"),
        ("ghp_abcdefghijklmnopqrst0123456789", "api_key"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "api_key"),
        ("Bearer abc.def-ghi_jkl", "bearer_token"),
        ("Authorization: Basic dXNlcjpwYXNzd29yZA==", "bearer_token"),
        ('"password": "correct horse"', "credential"),
        ("api_key=abcd1234", "credential"),
        ("ada.lovelace+notes@example.co.uk", "email"),
        (CARD, "card"),
        ("4111111111111111", "card"),
        ("5500-0000-0000-0004", "card"),
        ("+49 30 901820", "phone"),
        ("(212) 555-0123", "phone"),
        ("13812345678", "phone"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----", "private_key"),
    ],
)
def test_a_secret_is_replaced_by_the_name_of_its_kind(secret: str, name: str) -> None:
    shown = Redactor().text(f"see {secret} here")
    assert secret not in shown
    assert shown.startswith("see ")
    assert f"[redacted:{name}]" in shown
    assert shown.endswith(" here")


@pytest.mark.parametrize(
    "text",
    [
        "The 12 apostles met on 2026-11-21 at 10:30.",
        "It costs 1234567890123456 units.",
        "sk-learn and rh-negative are words",
        "user at example dot com",
        "max_tokens: 4096",
        "tokens per second: 1200",
        "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20",
        "| 17 | 230 | 1200 | 45 |",
    ],
)
def test_other_text_stays(text: str) -> None:
    assert Redactor().text(text) == text


@pytest.mark.parametrize("text", [f"{CARD} 12/27", f"2026 {CARD}", f"{CARD} 123", f"no{CARD}", f"{CARD}."])
def test_a_card_is_found_beside_other_digits(text: str) -> None:
    assert "1111" not in Redactor().text(text)


@pytest.mark.parametrize(
    "unit", ["1 ", "1111 ", "1", "a@", "a.", "%@", "(", "12 345 678 ", "eyJ", "-----BEGIN ", "+1 ( "]
)
def test_no_text_makes_redaction_slow(unit: str) -> None:
    """Of 16,000 characters each takes a few milliseconds; one that backtracks takes seconds."""
    redactor, began = Redactor(), time.process_time()
    redactor.text(unit * (16_000 // len(unit)))
    assert time.process_time() - began < 1.5


def test_a_secret_that_the_bound_cuts_does_not_stay_by_half() -> None:
    for room in range(40):
        text = "x y " * 50 + ROUNDHOUSE_KEY + " z" * 2000
        shown = Redactor().bounded(text, 200 + room)
        assert "aB3_" not in shown, shown
        assert shown.endswith("[cut]")


def test_a_text_that_was_cut_before_loses_what_could_be_half_a_secret() -> None:
    shown = Redactor().bounded("w " * 600 + ROUNDHOUSE_KEY[:9], 10_000, is_cut=True)
    assert "rh-" not in shown
    assert len(shown) >= 2 * 600 + 9 - MARGIN


@pytest.mark.contract("E05")
def test_documents_are_redacted_where_json_hides_a_secret() -> None:
    body = b'{"model":"m","messages":[{"role":"user","content":"mail ada\\u0040example.com"}],"n":4111111111111111,'
    body += b'"\\u0072h-%s":1}'
    text = msgspec.json.encode(shown_request(body % (b"k" * 43), Redactor(), 1000))
    for secret in (b"example.com", b"4111111111111111", b"kkkk"):
        assert secret not in text
    assert b"[redacted:email]" in text


def test_members_that_are_named_as_secrets_are_redacted_whatever_they_hold() -> None:
    shown = shown_request(b'{"tool":{"password":"hunter2","db_password":12345},"max_tokens":5}', Redactor(), 1000)
    assert shown == {
        "tool": {"password": "[redacted:credential]", "db_password": "[redacted:credential]"},
        "max_tokens": 5,
    }


def test_token_lists_that_repeat_an_answer_in_pieces_are_left_out() -> None:
    answer = {"choices": [{"message": {"content": "hi"}, "logprobs": {"content": [{"token": "rh"}, {"token": "-k"}]}}]}
    shown = shown_answer([json.dumps(answer).encode()], 1, b"application/json", Redactor(), 1000)
    assert shown == {"choices": [{"message": {"content": "hi"}}]}


@pytest.mark.contract("E05")
@pytest.mark.parametrize("size", [1, 3, 7, 50])
def test_a_secret_in_pieces_of_a_stream_is_found(size: int) -> None:
    said = f"your key is {ROUNDHOUSE_KEY}, keep it"
    chunks = [chunk(said[at : at + size]) for at in range(0, len(said), size)]
    shown = shown_answer([*chunks, DONE], sum(map(len, chunks)) + len(DONE), b"text/event-stream", Redactor(), 1000)
    assert shown == {"content": "your key is [redacted:api_key], keep it"}


@pytest.mark.parametrize(
    ("event", "name"),
    [
        ({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "T"}}, "text"),
        ({"type": "response.output_text.delta", "delta": "T"}, "response.output_text.delta"),
        ({"message": {"role": "assistant", "content": "T"}, "done": False}, "content"),
        ({"response": "T", "done": False}, "response"),
        ({"choices": [{"index": 1, "text": "T"}]}, "text_1"),
        ({"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": "T"}}]}}]}, "tool"),
        ({"error": {"message": "T"}}, "error"),
    ],
)
def test_streams_of_every_api_are_put_together(event: dict[str, object], name: str) -> None:
    stream = sse(event) if "done" not in event else json.dumps(event).encode() + b"\n"
    kind = b"application/x-ndjson" if "done" in event else b"text/event-stream; charset=utf-8"
    assert shown_answer([stream, stream], 2 * len(stream), kind, Redactor(), 1000) == {name: "TT"}


def test_a_document_is_cut_where_it_holds_too_much() -> None:
    body = json.dumps({"messages": [{"content": "word " * 1000} for _ in range(50)]}).encode()
    text = msgspec.json.encode(shown_request(body, Redactor(), 500))
    assert len(text) < 700
    assert b"[cut]" in text


@pytest.mark.parametrize("body", [b"\xff\xd8\xff", b"{" * 100_000, b"[1", b"x" * (READ_MOST + 1)])
def test_what_is_no_document_is_shown_by_its_size(body: bytes) -> None:
    assert shown_request(body, Redactor(), 500) == {"bytes": len(body)}


def test_images_are_shown_by_their_size() -> None:
    url = "data:image/png;base64," + "QUJD" * 2000
    assert shown_request(json.dumps({"url": url}).encode(), Redactor(), 500) == {
        "url": f"[{len(url)} characters of data]"
    }


def test_own_patterns_are_read_from_lines() -> None:
    own = read_patterns("# staff\nstaff_number  E-\\d{6}\n\n")
    assert Redactor(own).text("ask E-123456") == "ask [redacted:staff_number]"


@pytest.mark.parametrize("line", ["staff", "Staff E-1", "staff (", "staff x*"])
def test_a_wrong_pattern_is_refused_with_its_line(line: str) -> None:
    with pytest.raises(ValueError, match="line 2"):
        read_patterns(f"# first\n{line}\n")
