"""Every error is an RFC 9457 problem, and none shows what is inside."""

from typing import Any

import httpx
import pytest
import structlog

from tests.unit.common.http.application import client


def problem(answer: httpx.Response) -> dict[str, Any]:
    """Check what all problems have in common and return the body."""
    body: dict[str, Any] = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert body["status"] == answer.status_code
    assert body["instance"] == answer.headers["x-request-id"]
    assert {"type", "title", "status", "detail", "code", "errors", "instance"} == set(body)
    return body


@pytest.mark.parametrize(
    ("name", "status", "code", "detail"),
    [
        ("not-found", 404, "not_found", "There is no thing dep_1."),
        ("conflict", 409, "conflict", "It is in use."),
        ("unavailable", 503, "unavailable", "The bus is away."),
        ("http", 418, "http_error", "short and stout"),
    ],
)
async def test_expected_error_keeps_its_status_code_and_words(name: str, status: int, code: str, detail: str) -> None:
    async with client() as c:
        body = problem(await c.get(f"/api/v1/failures/{name}"))
    assert (body["status"], body["code"], body["detail"]) == (status, code, detail)


@pytest.mark.parametrize("address", ["/api/v1/failures/conflict%00", "/api/v1/things?limit=1&cursor=%00"])
async def test_nul_in_an_address_never_reaches_a_database(address: str) -> None:
    async with client() as c:
        body = problem(await c.get(address))
    assert (body["status"], body["code"]) == (422, "invalid_input")
    assert "NUL" in body["detail"]


async def test_retryable_error_says_when_to_come_back() -> None:
    async with client() as c:
        assert (await c.get("/api/v1/failures/unavailable")).headers["retry-after"] == "1"
        assert "retry-after" not in (await c.get("/api/v1/failures/conflict")).headers


async def test_headers_of_an_error_are_kept() -> None:
    async with client() as c:
        assert (await c.get("/api/v1/failures/http")).headers["x-pot"] == "tea"


async def test_unexpected_error_is_logged_with_the_id_that_the_caller_sees_and_nothing_more() -> None:
    with structlog.testing.capture_logs() as logs:
        async with client() as c:
            answer = await c.get("/api/v1/failures/unexpected")
    body = problem(answer)
    assert (body["status"], body["code"]) == (500, "internal")
    assert "hunter2" not in answer.text
    assert "ZeroDivision" not in answer.text
    (entry,) = [entry for entry in logs if entry["event"] == "request_failed"]
    assert isinstance(entry["exc_info"], ZeroDivisionError)


async def test_unknown_path_and_wrong_method_are_problems() -> None:
    async with client() as c:
        body = problem(await c.get("/api/v1/nothing"))
        assert (body["code"], body["detail"]) == ("not_found", "There is nothing at /api/v1/nothing.")
        answer = await c.delete("/api/v1/things")
        assert problem(answer)["code"] == "method_not_allowed"
        assert set(answer.headers["allow"].split(", ")) <= {"GET", "POST"}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ('{"name": ""}', ["name"]),
        ('{"name": "a", "size": {"memory_bytes": 0}}', ["size.memory_bytes"]),
        ('{"size": {"memory_bytes": "much"}}', ["name", "size.memory_bytes"]),
        ("[]", ["body"]),
        (b'{"name": "\xff"}', ["body"]),
    ],
)
async def test_invalid_body_names_the_fields_at_fault(body: str | bytes, fields: list[str]) -> None:
    async with client() as c:
        answer = await c.post("/api/v1/things", content=body, headers={"content-type": "application/json"})
    found = problem(answer)
    assert (found["status"], found["code"]) == (422, "invalid_input")
    assert [error["field"] for error in found["errors"]] == fields


async def test_a_parameter_at_fault_is_named_with_what_was_found_and_what_is_allowed() -> None:
    async with client() as c:
        found = problem(await c.get("/api/v1/things", params={"limit": "many"}))
    assert found["errors"] == [
        {
            "field": "limit",
            "message": '"many" found; input should be a valid integer, unable to parse string as an integer',
        }
    ]


async def test_validation_error_does_not_repeat_what_was_sent() -> None:
    async with client() as c:
        answer = await c.post("/api/v1/things", json={"name": ["hunter2"], "size": "hunter2"})
    assert answer.status_code == 422
    assert "hunter2" not in answer.text


async def test_body_that_is_not_json_is_a_problem() -> None:
    async with client() as c:
        answer = await c.post("/api/v1/things", content='{"name":', headers={"content-type": "application/json"})
    assert problem(answer)["status"] == 422


async def test_error_of_the_domain_may_name_fields() -> None:
    async with client() as c:
        body = problem(await c.get("/api/v1/failures/invalid"))
    assert (body["status"], body["errors"]) == (422, [{"field": "name", "message": "It is taken."}])


async def test_body_over_the_limit_is_refused_whether_it_says_its_length_or_not() -> None:
    async def chunks() -> Any:  # an async generator: httpx then sends no content-length
        for _ in range(3):
            yield b"x" * 512 * 1024

    async with client() as c:
        said = await c.post("/api/v1/things", content=b"x" * (1024 * 1024 + 1))
        hidden = await c.post("/api/v1/things", content=chunks())
    assert [problem(answer)["code"] for answer in (said, hidden)] == ["body_too_large", "body_too_large"]


async def test_every_answer_has_a_request_id_of_its_own() -> None:
    async with client() as c:
        ids = {(await c.get("/api/v1/things")).headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3
    assert all(one.startswith("req_") for one in ids)
