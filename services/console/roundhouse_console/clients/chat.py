"""Answers from the router, piece by piece, with an API key of the person."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import httpx

from roundhouse_common.runtime import Clock
from roundhouse_console.clients.playground_key import playground_key
from roundhouse_console.clients.rest import Item
from roundhouse_console.clients.signed_in import SignedIn
from roundhouse_console.domain.errors import ConsoleError, Refused, SignedOut, Unreachable
from roundhouse_console.domain.playground import Readiness, readiness_of

__all__ = ["Chat", "models_of", "readiness", "record_of"]

_PATIENCE: Final = httpx.Timeout(None, connect=5.0)
"""An engine may think for long; the person can stop it."""
_MOST_LINE: Final = 4 * 2**20
_LOOKS_S: Final = (0.7, 1.0, 1.5, 2.5, 4.0, 8.0)
"""When to look for a record in metering, after one another: it comes with the bus."""


async def models_of(person: SignedIn, clock: Clock) -> list[str]:
    """Return the models that the person's key may use. Raises ConsoleError."""

    async def ask() -> list[str]:
        secret = await playground_key(person, clock)
        url = f"{person.addresses.router}/v1/models"
        try:
            answer = await person.http.get(url, headers={"authorization": f"Bearer {secret}"})
        except httpx.TransportError as error:
            raise Unreachable("router", str(error) or type(error).__name__) from error
        if answer.is_error:
            raise _refused(answer)
        return sorted(str(one["id"]) for one in answer.json()["data"])

    return await person.cached.get("models of the router", ask, for_s=10.0)


async def readiness(person: SignedIn) -> dict[str, Readiness]:
    """Return which deployments can answer, by name; nothing is known where the scheduler does not say."""

    async def ask() -> list[Item]:
        return await person.scheduler.items("/api/v1/deployment-statuses")

    try:
        return readiness_of(await person.cached.get("deployments of the playground", ask, for_s=2.0))
    except SignedOut:
        raise
    except ConsoleError:
        return {}


class Chat:
    """One request for an answer. `request_id` is known once the answer begins."""

    def __init__(self, person: SignedIn, clock: Clock) -> None:
        self._person = person
        self._clock = clock
        self.request_id = ""

    async def stream(self, body: Mapping[str, Any]) -> AsyncGenerator[Item, None]:
        """Yield the chunks; leaving the loop ends the request at once. Raises Unreachable, Refused."""
        secret = await playground_key(self._person, self._clock)
        request = self._person.http.build_request(
            "POST",
            f"{self._person.addresses.router}/v1/chat/completions",
            json=body,
            headers={"authorization": f"Bearer {secret}"},
        )
        request.extensions["timeout"] = _PATIENCE.as_dict()
        try:
            answer = await self._person.http.send(request, stream=True)
        except httpx.TransportError as error:
            raise Unreachable("router", str(error) or type(error).__name__) from error
        try:
            self.request_id = answer.headers.get("x-request-id", "")
            if answer.is_error:
                await answer.aread()
                raise _refused(answer)
            if not answer.headers.get("content-type", "").startswith("text/event-stream"):
                yield json.loads(await answer.aread())
                return
            async for line in answer.aiter_lines():
                if line.startswith("data:") and (data := line[5:].strip()) != "[DONE]" and len(data) <= _MOST_LINE:
                    yield json.loads(data)
        except httpx.TransportError as error:
            raise ConsoleError("The connection broke while the answer came.") from error
        except ValueError as error:
            raise ConsoleError("The model's server sent something that is not JSON.") from error
        finally:
            await answer.aclose()


async def record_of(person: SignedIn, request_id: str, began_at: float) -> Item | None:
    """Return metering's record of a request; None when it does not come within seconds. Raises ConsoleError."""
    kept = person.kept.playground_key
    since = datetime.fromtimestamp(began_at - 60, UTC).isoformat()
    for wait_s in _LOOKS_S:
        await asyncio.sleep(wait_s)
        found = await person.metering.items(
            "/api/v1/usage/records", most=50, since=since, key_id=kept.key_id if kept else None
        )
        for record in found:
            if record["request_id"] == request_id:
                return record
    return None


def _refused(answer: httpx.Response) -> Refused:
    """Return an error in OpenAI's shape."""
    try:
        found = answer.json().get("error") or {}
    except (ValueError, AttributeError):
        found = {}
    if not isinstance(found, dict):
        found = {"message": str(found)}
    after = answer.headers.get("retry-after", "")
    detail = str(found.get("message") or "")
    return Refused(
        service="router",
        status=answer.status_code,
        code=str(found.get("code") or ""),
        detail=f"{detail} (again in {after} s)" if after and after not in detail else detail,
        request_id=answer.headers.get("x-request-id", ""),
    )
