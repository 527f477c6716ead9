"""If-Match: no update on something that changed meanwhile."""

import pytest

from roundhouse_common.errors import PreconditionFailed, PreconditionRequired
from roundhouse_common.http import etag, require_if_match
from tests.unit.common.http.application import client


@pytest.mark.parametrize("header", ['"7"', "*", '"6", "7"', ' "7" ', '"7","8"'])
def test_current_generation_passes(header: str) -> None:
    require_if_match(header, 7)


@pytest.mark.parametrize("header", ['"6"', '"8"', '"77"', "7", 'W/"7"', '"6", "8"', '*, "6"', "garbage", '""'])
def test_any_other_tag_fails(header: str) -> None:
    with pytest.raises(PreconditionFailed, match='it is "7" now'):
        require_if_match(header, 7)


@pytest.mark.parametrize("header", [None, "", "  "])
def test_missing_header_is_asked_for(header: str | None) -> None:
    with pytest.raises(PreconditionRequired):
        require_if_match(header, 7)


def test_own_tag_always_matches() -> None:
    for generation in (0, 1, 2**53):
        require_if_match(etag(generation), generation)


async def test_preconditions_are_problems_with_their_own_status() -> None:
    async with client() as c:
        missing = await c.patch("/api/v1/things/1", json={"name": "a"})
        stale = await c.patch("/api/v1/things/1", json={"name": "a"}, headers={"if-match": '"6"'})
        fresh = await c.patch("/api/v1/things/1", json={"name": "a"}, headers={"if-match": '"7"'})
    assert (missing.status_code, missing.json()["code"]) == (428, "precondition_required")
    assert (stale.status_code, stale.json()["code"]) == (412, "precondition_failed")
    assert (fresh.status_code, fresh.headers["etag"]) == (200, '"8"')
