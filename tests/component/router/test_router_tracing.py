"""The client's trace goes on through the router to the engine."""

from pathlib import Path

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.support.eventually import eventually
from tests.support.running_router import Fleet, RunningRouter
from tests.support.scripted_engine import Engine
from tests.support.tracing import spans

__all__ = ["spans"]

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE_ID}-b7ad6b7169203331-01"


async def test_a_traced_request_is_a_span_of_the_clients_trace_and_the_engines_parent(
    tmp_path: Path, fleet: Fleet, engine: Engine, spans: InMemorySpanExporter
) -> None:
    async with RunningRouter(tmp_path, fleet, otlp_endpoint="http://127.0.0.1:9") as router:
        await fleet.serve(engine)
        await router.ready()
        async with router.post(traceparent=TRACEPARENT) as answer:
            assert answer.status == 200
    (made,) = await eventually(lambda: [span for span in spans.get_finished_spans() if span.name.startswith("POST")])
    assert made.context is not None
    assert f"{made.context.trace_id:032x}" == TRACE_ID
    assert made.attributes is not None
    assert made.attributes["gen_ai.request.model"] == "tiny"
    seen = engine.exchanges[0].headers["traceparent"]
    assert seen == f"00-{TRACE_ID}-{made.context.span_id:016x}-01"
