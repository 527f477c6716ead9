"""Log lines: JSON with the story's fields, and never a secret."""

import itertools
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
import structlog

from roundhouse_common import telemetry
from roundhouse_common.service import configure_logging, get_logger
from tests.support.hostile import HOSTILE

API_KEY = "rh-" + "aB3_" * 10 + "xyz"
JWT = "eyJhbGciOiJFZDI1NTE5In0.eyJzdWIiOiJ1c3JfYWRtaW4ifQ.c2lnbmF0dXJl"


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    structlog.reset_defaults()


def configure(style: Literal["json", "console"] = "json", level: str = "info") -> None:
    configure_logging(service="catalog", instance="catalog-1", level=level, style=style)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.split("\n") if line]


def test_line_is_json_with_event_origin_and_fields(capsys: pytest.CaptureFixture[str]) -> None:
    configure()
    get_logger("test").info("replica_started", replica_id="rep_1")
    (line,) = lines(capsys)
    assert line.pop("time").endswith("Z")
    assert line == {
        "event": "replica_started",
        "level": "info",
        "component": "test",
        "service": "catalog",
        "instance": "catalog-1",
        "replica_id": "rep_1",
    }


def test_standard_library_logging_looks_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    configure()
    logging.getLogger("some.library").warning("disk %s", "slow")
    (line,) = lines(capsys)
    assert (line["event"], line["level"], line["component"]) == ("disk slow", "warning", "some.library")


def test_chatty_libraries_are_heard_only_from_warning_on(capsys: pytest.CaptureFixture[str]) -> None:
    configure()
    logging.getLogger("uvicorn.error").info("Started server process")
    assert lines(capsys) == []


def test_lines_below_the_level_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure(level="warning")
    get_logger("test").info("chatter")
    assert lines(capsys) == []


def test_line_inside_a_trace_carries_its_id(capsys: pytest.CaptureFixture[str]) -> None:
    configure()
    with telemetry.attached({"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"}):
        get_logger("test").info("hello")
    assert lines(capsys)[0]["trace_id"] == "ab" * 16


@pytest.mark.parametrize("style", ["json", "console"])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("authorization", "Bearer something"),
        ("engine_api_key", "s3cr3t"),
        ("prompt", "what is my diagnosis"),
        ("note", f"key {API_KEY} was refused"),
        ("error", f"bad header {JWT}"),
    ],
)
def test_secrets_do_not_get_into_a_line(
    style: Literal["json", "console"], field: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(style)
    get_logger("test").info("request_refused", **{field: value})
    output = capsys.readouterr().err
    assert "***" in output
    for secret in ("something", "s3cr3t", "diagnosis", API_KEY, JWT):
        assert secret not in output


@pytest.mark.parametrize("style", ["json", "console"])
def test_traceback_does_not_show_values_of_variables(
    style: Literal["json", "console"], capsys: pytest.CaptureFixture[str]
) -> None:
    configure(style)
    hidden = "local-variable-value"
    try:
        raise ValueError(len(hidden))
    except ValueError as error:
        get_logger("test").error("failed", exc_info=error)
    output = capsys.readouterr().err
    assert "ValueError: 20" in output
    assert "local-variable-value" not in output.replace('hidden = "local-variable-value"', "")


def test_a_full_disk_stops_the_log_and_not_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    full = Path("/dev/full").open("w")  # noqa: SIM115 - closing it fails, which proves that something was written
    monkeypatch.setattr("sys.stderr", full)
    configure()
    get_logger("test").error("disk_full")
    logging.getLogger("some.library").error("disk full")
    monkeypatch.undo()
    with pytest.raises(OSError, match="No space"):
        full.close()


@pytest.mark.parametrize("text", sorted({*itertools.chain(*HOSTILE.values())}), ids=ascii)
def test_whatever_a_field_says_is_one_line_and_no_other_field(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure()
    get_logger("test").info("file_found", name=text, of={"a": [text, 10**400]})
    (line,) = lines(capsys)
    assert (line["event"], line["level"], line["name"]) == ("file_found", "info", text)
    configure("console")
    get_logger("test").info("file_found", name=text)
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "\x1b" not in told
