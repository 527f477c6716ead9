"""What is typed into the test tool becomes one request, or a sentence."""

import json

import pytest

from roundhouse_console.domain.testing import FORM, MULTIPART, PATHS, File, call_of, example, shown_body


def test_a_json_request_is_sent_as_typed() -> None:
    call = call_of("POST", "/v1/chat/completions", headers="X-Trace: 7", body='{"a": 1}')
    assert (call.method, call.path, call.content) == ("POST", "/v1/chat/completions", b'{"a": 1}')
    assert list(call.headers) == [("content-type", "application/json"), ("X-Trace", "7")]


def test_parameters_come_from_the_path_and_the_lines() -> None:
    call = call_of("GET", "/v1/models?limit=2&q=", query="after = x")
    assert call.path == "/v1/models"
    assert list(call.query) == [("limit", "2"), ("q", ""), ("after", "x")]
    assert call.content == b""


def test_a_stated_content_type_wins() -> None:
    call = call_of("POST", "/x", headers="Content-Type: application/json; charset=utf-8", body="{}")
    assert list(call.headers) == [("Content-Type", "application/json; charset=utf-8")]


def test_forms_and_parts_are_fields() -> None:
    assert list(call_of("POST", "/x", content_type=FORM, body="a=1\nb=2 3").form) == [("a", "1"), ("b", "2 3")]
    sound = File("file", "a.wav", "audio/wav", b"RIFF")
    call = call_of("POST", "/v1/audio/transcriptions", content_type=MULTIPART, body="model=m", files=[sound])
    assert list(call.fields) == [("model", "m")]
    assert list(call.files) == [sound]


@pytest.mark.parametrize(
    ("path", "headers", "body", "said"),
    [
        ("//other.example/x", "", "{}", "is no path"),
        ("http://other.example", "", "{}", "is no path"),
        ("@other.example", "", "{}", "is no path"),
        ("/a b", "", "{}", "is no path"),
        ("/x", "Host: other.example", "{}", "cannot be stated"),
        ("/x", "no colon", "{}", "has no name"),
        ("/x", "X-A: ü", "{}", "is no header"),
        ("/x", "", "{", "is no JSON"),
    ],
)
def test_what_cannot_be_sent_is_said(path: str, headers: str, body: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        call_of("POST", path, headers=headers, body=body)


@pytest.mark.parametrize("path", PATHS)
def test_every_path_has_an_example_that_names_the_model(path: str) -> None:
    assert json.loads(example(path, "mine"))["model"] == "mine"


def test_a_body_is_shown_as_text_and_from_its_end() -> None:
    assert shown_body(b'{"a": "\xc3\xbc"}', "application/json", 100) == '{"a": "ü"}'
    assert shown_body(b"abcdef", "text/event-stream", 3) == "def"
    assert shown_body(b"\x00\x01", "audio/wav", 100) == "2 bytes of audio/wav"
    assert shown_body(b"", "", 100) == ""
