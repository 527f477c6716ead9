"""Which answers may be kept, and what clients can say about it."""

import pytest

from roundhouse_common.contracts.routing import RouteCache
from roundhouse_common.contracts.usage import Operation
from roundhouse_router.domain.errors import BadBody
from roundhouse_router.domain.reuse import CacheOrder, cache_order, idempotent_request, is_comment, is_final

ON = RouteCache(ttl_s=60)
USE, REFRESH, BYPASS = CacheOrder(True, True), CacheOrder(False, True), CacheOrder(False, False)


@pytest.mark.contract("D14")
@pytest.mark.parametrize(
    ("header", "order"),
    [
        (None, USE),
        (b"", USE),
        (b"no-store", BYPASS),
        (b"No-Cache", REFRESH),
        (b"no-cache, no-store", BYPASS),
        (b"max-age=0", REFRESH),
        (b"max-age=30", CacheOrder(True, True, 30)),
        (b"max-age=30, no-cache", REFRESH),
        (b"no-cache, max-age=30", REFRESH),
        (b"private, something=else, ???", USE),
    ],
)
def test_cache_control_of_a_request(header: bytes | None, order: CacheOrder) -> None:
    assert cache_order(ON, Operation.CHAT, header) == order


def test_a_route_without_a_time_and_answers_that_are_files_have_no_cache() -> None:
    assert cache_order(RouteCache(), Operation.CHAT, None) is None
    assert cache_order(ON, Operation.SPEECH, None) is None


@pytest.mark.contract("D16")
@pytest.mark.parametrize("given", [b"", b" ", b"a b", b"x" * 256, "é".encode(), b"a\x00"])
def test_an_idempotency_key_has_a_form(given: bytes) -> None:
    with pytest.raises(BadBody) as refused:
        idempotent_request(given, tenant_id="t", key_id="k", path="/p", body=b"")
    assert refused.value.error_code == "invalid_idempotency_key"


@pytest.mark.contract("D16")
def test_an_idempotency_key_belongs_to_one_api_key_and_one_request() -> None:
    def of(tenant: str = "t", key: str = "k", path: str = "/p", body: bytes = b"b") -> tuple[bytes, bytes]:
        found = idempotent_request(b"x", tenant_id=tenant, key_id=key, path=path, body=body)
        return found.slot, found.fingerprint

    assert of(tenant="u")[0] != of()[0] != of(key="l")[0]
    assert of(path="/q")[0] == of()[0] == of(body=b"c")[0]
    assert of(path="/q")[1] != of()[1] != of(body=b"c")[1]


def test_only_answers_that_would_be_the_same_again_are_final() -> None:
    assert [status for status in (200, 400, 404, 422, 401, 403, 408, 409, 429, 500, 503) if is_final(status)] == [
        200,
        400,
        404,
        422,
    ]


def test_comments_are_no_part_of_an_answer() -> None:
    assert is_comment(b": waiting for the model\n\n")
    assert not is_comment(b": x\n\ndata: {}\n\n")
    assert not is_comment(b"data: {}\n\n")
    assert not is_comment(b":")
