"""Bodies of any size, where a handler takes them piece by piece."""

from collections.abc import AsyncIterator

from fastapi import Request

from roundhouse_common.auth.tokens import TokenVerifier, generate_keypair
from roundhouse_common.http import create_app
from roundhouse_common.runtime import SystemClock
from tests.unit.common.http.application import client

PIECES = 3
PIECE = b"x" * 1024 * 1024


async def pieces() -> AsyncIterator[bytes]:
    for _ in range(PIECES):
        yield PIECE


async def test_only_what_is_said_to_be_streamed_may_be_larger_than_the_limit() -> None:
    verifier = TokenVerifier(generate_keypair()[1], clock=SystemClock())
    app = create_app("T", "1", verifier, is_streamed=lambda method, path: (method, path) == ("PUT", "/big"))

    @app.put("/{name}")
    @app.post("/{name}")
    async def count(request: Request) -> int:
        return sum([len(piece) async for piece in request.stream()])

    async with client(app) as c:
        assert (await c.put("/big", content=PIECE * PIECES)).json() == len(PIECE) * PIECES
        assert (await c.put("/big", content=pieces())).json() == len(PIECE) * PIECES
        assert (await c.post("/big", content=PIECE * PIECES)).status_code == 413
        assert (await c.put("/small", content=pieces())).status_code == 413
