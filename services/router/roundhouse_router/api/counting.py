"""Anthropic's `count_tokens`: by the engine's own tokenizer, or an estimate where it cannot be asked.

Nothing is generated, so nothing is limited or billed, and no deployment is woken for it. The header
`x-roundhouse-token-count` says which of the two it was.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.contracts.features import Feature
from roundhouse_common.runtime import Clock
from roundhouse_router.api.callers import caller_of
from roundhouse_router.api.course import Course
from roundhouse_router.api.early import Headers
from roundhouse_router.api.interfaces import COUNT_TOKENS
from roundhouse_router.api.upstreams import Upstreams
from roundhouse_router.bus.control_plane import ControlPlane
from roundhouse_router.dialects.anthropic import ANTHROPIC
from roundhouse_router.dialects.anthropic_count import (
    TokenizeCall,
    count_request,
    counted,
    estimated,
    first_call,
    native_count,
    next_step,
)
from roundhouse_router.dialects.native import speaks
from roundhouse_router.domain.choosing.candidate import Candidate, Verdict
from roundhouse_router.domain.choosing.chooser import Chooser
from roundhouse_router.domain.defaults import added_by
from roundhouse_router.domain.errors import ApiError, UpstreamFailed
from roundhouse_router.domain.features import check_served
from roundhouse_router.domain.members import joined, split
from roundhouse_router.domain.request import ParsedRequest
from roundhouse_router.domain.routing import resolve
from roundhouse_router.domain.targets import RequestFacts
from roundhouse_router.metrics import RouterMetrics
from roundhouse_router.settings import RouterSettings
from roundhouse_router.wire.errors import Broken, ConnectFailed, HungUp, Silent, TooLarge
from roundhouse_router.wire.exchange import Exchange

__all__ = ["TokenCounting"]

_JSON: Final = (b"content-type", b"application/json")
_HOW: Final = b"x-roundhouse-token-count"
_FAILURES: Final = (Broken, ConnectFailed, HungUp, Silent, TooLarge, UpstreamFailed)
_MOST_BYTES: Final = 64 * 1024 * 1024


class TokenCounting:
    """Answers `/v1/messages/count_tokens`."""

    def __init__(
        self,
        *,
        control_plane: ControlPlane,
        chooser: Chooser,
        upstreams: Upstreams,
        freed: Callable[[], None],
        settings: RouterSettings,
        clock: Clock,
        metrics: RouterMetrics,
    ) -> None:
        self._control_plane = control_plane
        self._chooser = chooser
        self._upstreams = upstreams
        self._freed = freed
        self._settings = settings
        self._clock = clock
        self._metrics = metrics

    async def answer(self, exchange: Exchange, request_id: str, headers: Headers) -> None:
        """Answer one request. Raises ApiError and ClientLeft."""
        try:
            key = caller_of(self._control_plane, exchange, self._clock.now())
            body = await exchange.read_body(self._settings.max_body_bytes)
            request = ANTHROPIC.read(body, exchange.path)
            chat = count_request(body)
            table = self._control_plane.table
            resolution = resolve(table, key, request.model)
            features = COUNT_TOKENS.features
            check_served(table.deployments, resolution.targets, features, path=COUNT_TOKENS.path, model=request.model)
        except ApiError as error:
            self._metrics.refused(COUNT_TOKENS.path, COUNT_TOKENS.operation.value, error)
            raise
        facts = RequestFacts(key=key, features=features, headers=exchange.headers, user=request.user)
        async with exchange.guarded():
            now = self._clock.monotonic()
            candidate = self._chooser.begin(table, resolution, facts, now).next(now)
            tokens = None if candidate is None else await self._counted(candidate, request, chat, request_id)
        how = b"estimate" if tokens is None else b"engine"
        self._metrics.answered(COUNT_TOKENS.path, 200, "completed")
        exchange.answer(200, [*headers, _JSON, (_HOW, how)], counted(estimated(chat) if tokens is None else tokens))

    async def _counted(self, candidate: Candidate, request: ParsedRequest, chat: bytes, request_id: str) -> int | None:
        """Return what the engine counts; None: it cannot be asked, or did not answer. That says nothing of how it
        generates."""
        self._chooser.sent(candidate, self._clock.monotonic())
        try:
            call = _first(candidate, request, chat)
            while call is not None and candidate.endpoint is not None:
                answer = await self._ask(candidate, candidate.endpoint.engine, request, call, request_id)
                step = next_step(candidate.endpoint.engine, answer)
                if isinstance(step, int):
                    return step
                call = step
        except _FAILURES:
            return None
        finally:
            self._chooser.ended(candidate, Verdict.ABANDONED, self._clock.monotonic(), None)
            self._freed()
        return None

    async def _ask(
        self, candidate: Candidate, engine: EngineKind, request: ParsedRequest, call: TokenizeCall, request_id: str
    ) -> bytes:
        course = Course(
            *(COUNT_TOKENS, request, request),
            path=call.path,
            body=call.body,
            headers={},
            engine=engine,
            provider_format=None,
        )
        reply = await self._upstreams.ask(
            candidate,
            course,
            request_id=request_id,
            headers={},
            is_fresh=False,
            first_byte_s=self._settings.first_byte_timeout_s,
        )
        try:
            body = await reply.read_all(_MOST_BYTES)
        finally:
            reply.close()
        if reply.status != 200:
            raise UpstreamFailed(f"The engine answered with status {reply.status}.")
        return body


def _first(candidate: Candidate, request: ParsedRequest, chat: bytes) -> TokenizeCall | None:
    """Return what the endpoint is asked first; None: it cannot count, or is no engine of ours."""
    endpoint, deployment = candidate.endpoint, candidate.deployment
    if endpoint is None or deployment is None:
        return None
    model = msgspec.json.encode(candidate.model)
    if speaks(deployment, endpoint, Feature.MESSAGES) and native_count(endpoint.engine):
        return TokenizeCall(COUNT_TOKENS.path, joined({**request.members, "model": model}))
    if Feature.TOKENIZE not in endpoint.features:
        return None
    members = split(chat)
    defaults = deployment.defaults
    added = added_by(defaults, members, COUNT_TOKENS.operation, endpoint.engine) if defaults is not None else {}
    messages = added.get("messages", members["messages"])
    return first_call(endpoint.engine, joined({**members, "messages": messages, "model": model}))
