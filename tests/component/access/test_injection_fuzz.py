"""Hostile strings in every place of every operation of the REST APIs: nothing fails, leaks, splits or disappears.

Every place is a path or query parameter, a header or a member of a body, as the OpenAPI documents have them. Beside
ours there is another tenant, whose rows are the canaries: they are the same afterwards, and no answer shows them.
"""

import itertools
import json
from dataclasses import replace

import pytest

from tests.component.access.firing import Range, canaries, opened, rows_of
from tests.component.access.neighbours import everybody
from tests.component.access.worlds import Platform
from tests.support.asgi_call import asgi_call
from tests.support.hostile import HOSTILE, Arsenal, nest
from tests.support.openapi_calls import Call, put

pytestmark = pytest.mark.contract("E03")

ENDLESS = (":follow",)
"""What goes on for ever once it is answered."""


async def fire_at(range_: Range, full: Call, arsenal: Arsenal, *, shots: int) -> None:
    """Put something else in every place of an operation. If everything was refused, nothing was written.

    With one shot a place, Postgres gets every other one: what is not SQL was shown on SQLite.
    """
    call = await range_.taken(full)
    refused = full.method not in ("GET", "HEAD")  # these write nothing whatever they answer: see the canaries
    before = await rows_of(range_.platform, full.service) if refused else {}
    places = full.places()
    on_postgres = range_.platform.services[full.service].db.dialect == "postgresql"
    most = -(-len(places) // 2) if on_postgres and shots == 1 else len(places)
    for place, _ in itertools.product(arsenal.sample(places, most), range(shots)):
        got = await range_.fire(put(full, place, arsenal.value(), onto=range_.numbered(call)))
        refused = refused and got is not None and got.status >= 400
    if refused and await rows_of(range_.platform, full.service) != before:
        range_.wrong.append(f"wrote although it refused: {full.key}")


async def fire_everywhere(platform: Platform, seed: int, *, shots: int) -> None:
    range_ = await opened(platform)
    before = await canaries(platform)
    arsenal = Arsenal(seed)
    for call in range_.calls:
        if not call.path.endswith(ENDLESS):
            await fire_at(range_, call, arsenal, shots=shots)
    assert range_.wrong == [], f"seed {seed}"
    assert range_.fired > 800
    assert range_.taken_writes > 40, "most requests are refused before anything is done with what is in them"
    assert await canaries(platform) == before, f"seed {seed}"


@pytest.mark.timeout(600)
async def test_no_hostile_value_breaks_tells_or_changes_anything(every_platform: Platform) -> None:
    await fire_everywhere(every_platform, 2026, shots=1)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(4))
async def test_many_hostile_values_break_tell_or_change_nothing(every_platform: Platform, seed: int) -> None:
    await fire_everywhere(every_platform, seed, shots=12)


BODIES = {
    "nested": nest(5_000),
    "nested and not closed": nest(5_000, closed=False),
    "lists": b"[" * 50_000,
    "no UTF-8": b'{"name": "\xff\xfe"}',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": "{}".encode("utf-16"),
    "members twice": b'{"name": "a", "name": "b"}',
    "a number of a million digits": b'{"name": ' + b"9" * 1_000_000 + b"}",
    "an exponent": b'{"generation": 1e999999999, "limit": -1e-999999999}',
    "a million of nothing": b'{"name": [' + b"0," * 300_000 + b"0]}",
    "a text": b'"name"',
    "nothing": b"",
    "NUL": b"\0",
    "a form": b"name=a&name=b",
    "YAML that runs": b"!!python/object/apply:os.system ['id']",
    "YAML that grows": b"a: &a [x, x]\nb: &b [*a, *a, *a]\nc: [*b, *b, *b]",
}
TYPES = ("application/json", "application/yaml", "text/csv", "multipart/form-data; boundary=x", "", "a/\xff")


async def test_no_body_whatever_it_is_breaks_anything(platform: Platform) -> None:
    range_ = await opened(platform)
    before = await canaries(platform)
    takers = [call for call in range_.calls if call.body is not None or call.method == "PUT"]
    kinds, bodies = itertools.cycle(TYPES), itertools.cycle(BODIES.values())
    for call, _ in itertools.product(takers, range(3)):  # all of them together meet every body many times
        await range_.fire(replace(call, body=next(bodies), content_type=next(kinds)))
    assert range_.wrong == []
    assert await canaries(platform) == before


HEADERS = (
    "x-request-id", "traceparent", "tracestate", "user-agent", "x-forwarded-for", "forwarded", "accept", "origin",
    "content-type", "content-length", "if-match", "if-none-match", "range", "idempotency-key", "cookie",
    "authorization",
)  # fmt: skip


async def test_no_header_breaks_or_splits_anything(platform: Platform) -> None:
    """They are read before any handler, the same way in every service."""
    served = platform.services["metering"]
    token = served.signer.sign(everybody(), 3600)
    for header, text in itertools.product(HEADERS, itertools.chain(*HOSTILE.values())):
        value = "".join(one for one in text if one not in "\r\n\0")[:4_000].encode("utf-8", "surrogatepass")
        sent = [(b"authorization", f"Bearer {token}".encode()), (header.encode(), value)]
        sent = sent[1:] if header == "authorization" else sent
        got = await asgi_call(served.app, "GET", b"/api/v1/dead-letters", headers=sent)
        assert got.status < 500, (header, text, got.text)
        assert got.splits == [], (header, text)
        assert json.loads(got.body).get("instance", "req_").startswith("req_"), "an id of the caller's making"
