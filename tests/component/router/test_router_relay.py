"""What the client gets, and what the engine gets, when all goes well."""

import json

import pytest

from roundhouse_common.contracts.catalog import ModelDefaults
from roundhouse_common.contracts.usage import TOKEN_CLASSES, Operation, Outcome, UsageSource
from tests.support.eventually import eventually
from tests.support.running_router import SECRET, Fleet, RunningRouter, endpoint
from tests.support.scripted_engine import DONE, Engine, answers, chunk, completion, sse, streams, usage_chunk


async def test_a_whole_answer_passes_byte_for_byte_and_is_recorded(
    router: RunningRouter, engine: Engine, fleet: Fleet
) -> None:
    async with router.post({"max_tokens": 3}) as answer:
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
        assert await answer.read() == json.dumps(completion()).encode()
    record = await fleet.one_record()
    assert answer.headers["x-request-id"] == record.request_id
    assert (record.outcome, record.http_status, record.source) == (Outcome.COMPLETED, 200, UsageSource.ENGINE_FINAL)
    assert (record.input_tokens, record.output_tokens, record.sequence) == (7, 3, 1)
    assert (record.key_id, record.user_id, record.tenant_id) == ("key_1", "usr_admin", "ten_default")
    assert (record.deployment_id, record.replica_id, record.node_id) == ("dep_1", "rep_1", "nod_1")
    assert (record.model_requested, record.model_served, record.operation) == ("tiny", "tiny-model", Operation.CHAT)
    assert record.ended_at >= record.admitted_at > 0
    assert not record.is_stream


@pytest.mark.parametrize("is_stream", [False, True])
async def test_tokens_of_sound_and_images_are_recorded_among_answers_without(
    router: RunningRouter, engine: Engine, fleet: Fleet, is_stream: bool
) -> None:
    details = {
        "prompt_tokens_details": {"cached_tokens": 20, "audio_tokens": 30, "image_tokens": 10},
        "completion_tokens_details": {"reasoning_tokens": 5, "audio_tokens": 40, "image_tokens": None},
    }
    heard = {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150, **details}
    plain = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    for usage in (plain, heard, plain):
        last = sse({"id": "c", "object": "chat.completion.chunk", "created": 1, "choices": [], "usage": usage})
        whole = answers(body={**completion(), "usage": usage})
        engine.script = streams(chunk("hello"), last, DONE) if is_stream else whole
        body = {"stream": is_stream, **({"stream_options": {"include_usage": True}} if is_stream else {})}
        async with router.post(body) as answer:
            told = await answer.read()
        assert json.dumps(usage, separators=(",", ":")).encode() in told.replace(b" ", b"")
    await eventually(lambda: len(fleet.records) == 3)
    ordered = sorted(fleet.records, key=lambda record: record.sequence)
    found = [[getattr(record, name) for name in TOKEN_CLASSES] for record in ordered]
    assert found == [[7, 0, 0, 0, 0, 3, 0, 0, 0], [40, 20, 0, 30, 10, 5, 5, 40, 0], [7, 0, 0, 0, 0, 3, 0, 0, 0]]


async def test_the_body_reaches_the_engine_unchanged_when_nothing_must_change(
    router: RunningRouter, engine: Engine
) -> None:
    body = b'{"model" : "tiny", "temperature":1.10, "unknown_field": [1,  2], "messages":[]}'
    async with router.post(body) as answer:
        assert answer.status == 200
    assert engine.exchanges[0].body == body


@pytest.mark.contract("A25")
async def test_a_models_defaults_reach_the_engine_where_the_request_says_nothing(
    router: RunningRouter, fleet: Fleet, engine: Engine
) -> None:
    defaults = ModelDefaults(system_message="Be brief.", parameters={"temperature": 0.2, "seed": 7})
    await fleet.put_endpoints(endpoint(engine.base_url), defaults=defaults)
    body = b'{"model":"tiny","temperature":1.10, "messages":[ {"role":"user","content":"hi"}]}'

    async def is_added() -> bool:
        async with router.post(body) as answer:
            return bool(answer.status == 200 and b"Be brief." in engine.exchanges[-1].body)

    await eventually(is_added)
    assert engine.exchanges[-1].body == (
        b'{"model":"tiny","temperature":1.10,'
        b'"messages":[{"role":"system","content":"Be brief."}, {"role":"user","content":"hi"}],"seed":7}'
    )


@pytest.mark.contract("D11")
@pytest.mark.parametrize(
    ("path", "operation", "usage"),
    [
        ("/v1/rerank", Operation.RERANK, {"total_tokens": 21}),
        ("/v1/score", Operation.SCORE, {"prompt_tokens": 21, "total_tokens": 21, "completion_tokens": 0}),
    ],
)
async def test_rankings_and_scores_are_passed_on_and_recorded(
    router: RunningRouter, fleet: Fleet, engine: Engine, path: str, operation: Operation, usage: dict[str, int]
) -> None:
    engine.script = answers(body={"model": "/models/tiny", "results": [], "usage": usage})
    async with router.post({"query": "x", "documents": ["y"]}, path=path) as answer:
        document = await answer.json()

    assert document == {"model": "tiny", "results": [], "usage": usage}
    assert engine.exchanges[0].path == path
    record = await fleet.one_record()
    assert (record.operation, record.input_tokens, record.output_tokens) == (operation, 21, 0)


async def test_the_engine_sees_its_own_key_and_never_the_clients(router: RunningRouter, engine: Engine) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with router.post(traceparent=trace, cookie="a=b", x_request_id="mine", connection="keep-alive") as answer:
        assert answer.headers["x-request-id"] == "mine"
    seen = engine.exchanges[0]
    assert seen.headers["authorization"] == "Bearer engine-secret-1"
    assert seen.headers["traceparent"] == trace
    assert seen.headers["x-request-id"] == answer.headers["x-roundhouse-request-id"]
    assert not {"cookie", "connection"} & seen.headers.keys()
    assert SECRET not in json.dumps(seen.headers)


async def test_a_stream_passes_chunk_for_chunk(router: RunningRouter, engine: Engine, fleet: Fleet) -> None:
    sent = [chunk("hel"), chunk("lo"), usage_chunk(11, 2), DONE]
    engine.script = streams(*sent)
    async with router.stream(stream_options={"include_usage": True}) as answer:
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert await answer.read() == b"".join(sent)
    record = await fleet.one_record()
    assert (record.outcome, record.source, record.is_stream) == (Outcome.COMPLETED, UsageSource.ENGINE_FINAL, True)
    assert (record.input_tokens, record.output_tokens) == (11, 2)
    assert record.time_to_first_token_ms is not None
    assert record.time_to_first_token_ms <= record.duration_ms


async def test_usage_is_asked_for_and_taken_out_again_when_the_client_did_not_ask(
    router: RunningRouter, engine: Engine, fleet: Fleet
) -> None:
    engine.script = streams(chunk("hel"), chunk("lo"), usage_chunk(11, 2), DONE)
    async with router.stream() as answer:
        assert await answer.read() == chunk("hel") + chunk("lo") + DONE
    assert engine.exchanges[0].json["stream_options"] == {"include_usage": True}
    assert (await fleet.one_record()).input_tokens == 11


async def test_each_path_goes_to_the_same_path_of_the_engine(
    router: RunningRouter, engine: Engine, fleet: Fleet
) -> None:
    for path in ("/v1/completions", "/v1/embeddings"):
        async with router.post({"input": "x", "prompt": "x"}, path=path) as answer:
            assert answer.status == 200
    assert [exchange.path for exchange in engine.exchanges] == ["/v1/completions", "/v1/embeddings"]


async def test_another_name_of_the_engine_is_never_seen_by_the_client(
    router: RunningRouter, engine: Engine, fleet: Fleet
) -> None:
    await fleet.serve(engine, served_model="/models/x.gguf")
    engine.script = answers(200, completion(model="/models/x.gguf"))
    async with router.post() as answer:
        assert (await answer.json())["model"] == "tiny"
    engine.script = streams(chunk("hi", model="/models/x.gguf"), chunk("!", model="/models/x.gguf"), DONE)
    async with router.stream() as answer:
        assert await answer.read() == chunk("hi") + chunk("!") + DONE
    assert [exchange.json["model"] for exchange in engine.exchanges] == ["/models/x.gguf"] * 2


@pytest.mark.parametrize("status", [400, 404, 422, 429, 501])
async def test_an_engines_refusal_reaches_the_client_at_once_as_it_is(
    router: RunningRouter, engine: Engine, fleet: Fleet, status: int
) -> None:
    engine.script = answers(status, {"error": {"message": "too long", "code": status}}, retry_after="7")
    async with router.post() as answer:
        assert (answer.status, answer.headers["retry-after"]) == (status, "7")
        assert await answer.json() == {"error": {"message": "too long", "code": status}}
    record = await fleet.one_record()
    assert (record.outcome, record.http_status, record.error_code) == (Outcome.FAILED, status, f"upstream_{status}")
    assert record.attempts == 1


async def test_connections_to_the_engine_are_used_again(router: RunningRouter, engine: Engine) -> None:
    engine.script = streams(chunk("a"), DONE)
    for _ in range(5):
        async with router.stream() as answer:
            await answer.read()
    assert engine.connections == 1
