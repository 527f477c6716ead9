"""Tracing: one trace id from the HTTP request, over the bus, to the consumer.

Spans go nowhere unless `configure_tracing` was called with an endpoint; the W3C `traceparent` is passed on either
way, so that a trace which began outside stays whole. The SDK is loaded only when there is somewhere to send spans.
"""

import importlib
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any, Final

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

__all__ = ["SpanKind", "attached", "configure_tracing", "current_trace_id", "extract", "inject", "span", "tracer"]

tracer: Final = trace.get_tracer("roundhouse")
"""Resolves the real provider at first use, so it may be imported before `configure_tracing`."""

_propagator: Final = TraceContextTextMapPropagator()
_Attribute = str | bool | int | float


def inject(headers: MutableMapping[str, str]) -> None:
    """Add `traceparent` (and `tracestate`) of the current span to headers; nothing when there is no span."""
    _propagator.inject(headers)


def extract(headers: Mapping[str, str]) -> Context:
    """Return the context that the headers carry, or an empty one. Header names must be lower-case."""
    return _propagator.extract(headers, context=Context())


@contextmanager
def attached(headers: Mapping[str, str]) -> Iterator[None]:
    """Make the headers' trace the current one: for work that goes on later, such as an outbox."""
    token = otel_context.attach(extract(headers))
    try:
        yield
    finally:
        otel_context.detach(token)


@contextmanager
def span(
    name: str,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    parent: Mapping[str, str] | None = None,
    attributes: Mapping[str, _Attribute] | None = None,
) -> Iterator[Span]:
    """Run the block in a span, child of the headers in `parent`, or of the current span when that is None."""
    context = extract(parent) if parent is not None else None
    with tracer.start_as_current_span(name, context=context, kind=kind, attributes=attributes) as current:
        yield current


def current_trace_id() -> str:
    """Return the current trace id as 32 hexadecimal digits, or an empty string outside a trace."""
    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else ""


def configure_tracing(*, service: str, instance: str, endpoint: str) -> Callable[[], None]:
    """Send spans to an OTLP/HTTP endpoint and return what flushes and stops it. Without an endpoint do nothing."""
    if not endpoint:
        return _nothing
    # Loaded by name because the SDK and its exporter cost memory that a service without an endpoint must not pay.
    sdk: Any = importlib.import_module("opentelemetry.sdk.trace")
    export: Any = importlib.import_module("opentelemetry.sdk.trace.export")
    resources: Any = importlib.import_module("opentelemetry.sdk.resources")
    otlp: Any = importlib.import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    resource = resources.Resource.create({"service.name": f"roundhouse-{service}", "service.instance.id": instance})
    provider = sdk.TracerProvider(resource=resource, shutdown_on_exit=False)
    exporter = otlp.OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    provider.add_span_processor(export.BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    stop: Callable[[], None] = provider.shutdown
    return stop


def _nothing() -> None:
    """Stop nothing."""
