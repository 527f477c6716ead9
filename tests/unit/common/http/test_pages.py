"""Cursor pagination."""

import base64

import pytest

from roundhouse_common.errors import InvalidInput
from roundhouse_common.http import moment_of
from tests.unit.common.http.application import NAMES, client


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 8, 200])
async def test_pages_together_are_the_whole_listing_in_order(limit: int) -> None:
    seen: list[str] = []
    cursor: str | None = None
    async with client() as c:
        while True:
            parameters = {"limit": str(limit)} | ({"cursor": cursor} if cursor else {})
            page = (await c.get("/api/v1/things", params=parameters)).json()
            assert len(page["items"]) <= limit
            seen += [item["name"] for item in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
    assert seen == NAMES


async def test_page_that_is_just_full_is_the_last_one() -> None:
    async with client() as c:
        page = (await c.get("/api/v1/things", params={"limit": len(NAMES)})).json()
    assert (len(page["items"]), page["next_cursor"]) == (len(NAMES), None)


@pytest.mark.parametrize("limit", ["0", "201", "-1", "many", "1.5"])
async def test_limit_is_between_1_and_200(limit: str) -> None:
    async with client() as c:
        answer = await c.get("/api/v1/things", params={"limit": limit})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "limit")


def cursor_of(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "thing-01",
        "%%%",
        "ümlaut",
        cursor_of(b"1:thing-01"),
        cursor_of(b"thing-01"),
        cursor_of(b"2:"),
        cursor_of(b"2:0:\xff\xfe"),
        cursor_of(b"2:0:a\x00b"),
        cursor_of(b"2:0:" + b"x" * 201),
        "A" * 401,
    ],
)
async def test_cursor_that_is_not_ours_is_invalid_input(cursor: str) -> None:
    async with client() as c:
        answer = await c.get("/api/v1/things", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "cursor")


async def test_cursor_of_another_listing_is_refused_and_says_so() -> None:
    async with client() as c:
        cursor = (await c.get("/api/v1/things", params={"limit": 1})).json()["next_cursor"]
        answer = await c.get("/api/v1/others", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "cursor")
    assert "of another listing" in answer.json()["detail"]


@pytest.mark.parametrize("key", ["thing-01", "nan/evt_1", "inf/evt_1", "1.5", "/evt_1", ""])
def test_key_of_a_listing_by_time_is_a_time_and_an_id(key: str) -> None:
    assert moment_of("1.5/evt_1") == (1.5, "evt_1")
    with pytest.raises(InvalidInput, match="not a cursor of this API"):
        moment_of(key)


async def test_times_are_rfc_3339_in_utc_with_milliseconds() -> None:
    async with client() as c:
        page = (await c.get("/api/v1/things")).json()
    assert page["items"][0]["created_at"] == "2027-01-15T08:00:00.123Z"
