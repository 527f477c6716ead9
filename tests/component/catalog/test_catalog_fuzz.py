"""Whatever JSON comes, the answer is the caller's fault or success, and never ours: no 5xx."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.component.catalog.world import World, deployment_body, model_body

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("\x00")
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)
KEY = {"name": "laptop", "deployment_ids": ["dep_x"], "expires_at": "2030-01-01T00:00:00Z"}
DEPLOYMENT = deployment_body(
    engine="llama.cpp", engine_version="1", installs_engine=True, parameters={"parallel": "1"}, replicas=1,
    resources={"memory_bytes": 1, "device_count": 0},
    placement={"node_labels": {"a": "b"}, "region": "r", "device_vendor": ""}, drain_timeout_s=1.0,
    rollout={"strategy": "rolling"}, autoscale={"max_replicas": 1}, alternatives=[{"name": "a"}], template="",
)  # fmt: skip
TEMPLATE = {"name": "small", "description": "d", "suits": {"kinds": ["chat"]}, "parameters": {}, "resources": {}}
MODEL = model_body(
    context_length=1, licence="MIT", tags=["t"],
    source={"kind": "hugging-face", "uri": "a/b", "revision": "r", "patterns": ["*"], "sha256": ""},
    defaults={"system_message": "s", "parameters": {"temperature": 1, "stop": ["x"]}, "chat_template": "{% x %}"},
)  # fmt: skip
MODELFILE = {"name": "m", "modelfile": "FROM /m\nSYSTEM x", "kind": "chat", "is_published": True}
UPLOAD = {"files": [{"path": "p", "size": 1, "sha256": "a" * 64}]}
ROUTE = {
    "name": "chat-*",
    "targets": [{"deployment_id": "d", "weight": 1, "match": {"header": "x", "value": "y", "user_ids": ["z"]}}],
    "alias_of": "x", "balancing": {"strategy": "weighted", "weights": {"eu": 1}, "load_ceiling": 2},
    "fallbacks": [{"reason": "error", "route": "x"}], "timeouts": {"idle_s": 1}, "cache": {"ttl_s": 1},
    "queue": {"max_waiting": 1}, "retries": {"max_attempts": 1}, "key_ids": ["k"], "tenant_ids": ["t"],
    "is_platform": True, "split_by": "key", "model_kind": "chat",
}  # fmt: skip
LIMIT = {"name": "l", "per": ["key"], "key_ids": ["k"], "tenant_ids": ["t"], "requests_per_minute": 1}
PROVIDER = {
    "name": "together", "format": "openai", "base_url": "https://api.example.com/v1", "headers": {"x-a": "b"},
    "keys": [{"secret": "sk-abcdefgh1234", "name": "n"}], "features": ["chat"], "in_flight_most": 1,
    "is_platform": True,
}  # fmt: skip
ENTRY = {"model_name": "a", "litellm_params": {"model": "openai/b", "api_key": "os.environ/K", "rpm": 1, "order": 1}}
LITELLM = {
    "config": json.dumps({"model_list": [ENTRY], "router_settings": {"fallbacks": [{"a": ["a"]}]}}),
    "environment": {"K": "sk-abcdefgh1234"}, "is_dry_run": True, "allows_missing_keys": True,
}  # fmt: skip
PREVIEW = {"request": {"model": "chat-x", "headers": {"x": "y"}, "user": "u", "key_id": ""}, "route": ROUTE}

BODIES = st.one_of(
    *(
        st.tuples(st.just(path), st.fixed_dictionaries({name: st.just(value) | JSON for name, value in body.items()}))
        for path, body in (
            ("/models", MODEL),
            ("/models:from-modelfile", MODELFILE),
            ("/uploads", UPLOAD),
            ("/deployments", DEPLOYMENT),
            ("/deployments:validate", DEPLOYMENT),
            ("/templates", TEMPLATE),
            ("/templates:import", TEMPLATE),
            ("/api-keys", KEY),
            ("/routes", ROUTE),
            ("/routes:preview", PREVIEW),
            ("/limits", LIMIT),
            ("/providers", PROVIDER),
            ("/routes:import-litellm", LITELLM),
        )
    )
)


@given(request=BODIES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_body_makes_the_server_fail(world: World, request: tuple[str, Any]) -> None:
    path, body = request
    answer = await world.http.post(
        f"/api/v1{path}", content=json.dumps(body), headers={"content-type": "application/json"}
    )
    assert answer.status_code in (200, 201, 409, 422), answer.text


SECTIONS = st.sampled_from(
    [
        "model_list",
        "router_settings",
        "litellm_settings",
        "general_settings",
        "environment_variables",
        "credential_list",
    ]
)
SETTINGS = st.sampled_from(
    [
        "fallbacks",
        "default_fallbacks",
        "model_group_alias",
        "timeout",
        "num_retries",
        "cache",
        "cache_params",
        "routing_strategy",
    ]
)
PARAMS = st.sampled_from(["api_base", "api_key", "rpm", "weight", "order", "timeout", "extra_headers", "organization"])
MODELS = st.sampled_from(["openai/x", "openai/*", "*", "azure/x", "anthropic/c", "x", "hosted_vllm/y", "ollama/z"])
ENTRIES = st.fixed_dictionaries(
    {
        "model_name": MODELS | JSON,
        "litellm_params": st.builds(
            lambda model, params: {"model": model, **params}, MODELS, st.dictionaries(PARAMS, JSON, max_size=3)
        ),
    }
)
LITELLM_FILES = st.builds(
    lambda entries, sections: {"model_list": entries, **sections},
    st.lists(ENTRIES, max_size=4),
    st.dictionaries(SECTIONS, JSON | st.dictionaries(SETTINGS, JSON, max_size=3), max_size=3),
)


@given(document=LITELLM_FILES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_litellm_file_makes_the_server_fail_and_none_is_doubled(
    sqlite_world: World, document: dict[str, Any]
) -> None:
    body = {"config": json.dumps(document), "allows_missing_keys": True}
    first = await sqlite_world.post("/routes:import-litellm", body)
    assert first.status_code in (200, 422), first.text
    if first.status_code == 200:
        again = (await sqlite_world.post("/routes:import-litellm", body)).json()
        assert [again[kind]["created"] + again[kind]["updated"] for kind in ("providers", "routes", "limits")] == [
            []
        ] * 3


KINDS = st.sampled_from(["hugging-face", "model-scope", "http", "upload", "path"])
ADDRESSES = st.builds(lambda head, rest: head + rest, st.sampled_from(["https://", "a/", "/", "upl_", ""]), st.text())
NAMES = st.sampled_from(["temperature", "top_p", "top_k", "seed", "stop", "max_tokens", "x"])
LINES = st.builds(
    lambda name, rest: f"{name} {rest}",
    st.sampled_from(
        ["FROM", "PARAMETER temperature", "PARAMETER stop", "PARAMETER", "SYSTEM", "TEMPLATE", "LICENSE", "#"]
    ),
    st.text(max_size=20) | st.sampled_from(["/m.gguf", "hf.co/a/b:Q4", '"""', '"', "1", "-1", "nan", "{{ .Prompt }}"]),
)


@given(kind=KINDS, uri=ADDRESSES, revision=st.text(max_size=5), parameters=st.dictionaries(NAMES, SCALARS))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_source_and_no_defaults_make_the_server_fail(
    sqlite_world: World, kind: str, uri: str, revision: str, parameters: dict[str, Any]
) -> None:
    source = {"kind": kind, "uri": uri, "revision": revision, "patterns": [uri], "sha256": revision}
    body = model_body(source=source, defaults={"parameters": parameters})
    answer = await sqlite_world.http.post(
        "/api/v1/models", content=json.dumps(body), headers={"content-type": "application/json"}
    )
    assert answer.status_code in (201, 409, 422), answer.text


@given(lines=st.lists(LINES, max_size=8))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_modelfile_makes_the_server_fail(sqlite_world: World, lines: list[str]) -> None:
    body = {"name": "m", "modelfile": "\n".join(lines)}
    answer = await sqlite_world.http.post(
        "/api/v1/models:from-modelfile", content=json.dumps(body), headers={"content-type": "application/json"}
    )
    assert answer.status_code in (201, 409, 422), answer.text


YAML = st.text(alphabet="ab:-[]{}&*!'\"#%|> \n\t0123\x00é", max_size=60)


@given(text=YAML | JSON.map(lambda value: f"name: {value}\nparameters: {value}"))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_yaml_makes_the_server_fail(sqlite_world: World, text: str) -> None:
    answer = await sqlite_world.http.post(
        "/api/v1/templates:import",
        content=text.encode(errors="surrogatepass"),
        headers={"content-type": "application/yaml"},
    )
    assert answer.status_code in (200, 422), answer.text


@given(text=st.text(max_size=30))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_query_makes_the_server_fail(world: World, text: str) -> None:
    for path, name in (
        ("/models", "name"),
        ("/models", "cursor"),
        ("/deployments", "name"),
        ("/routes", "cursor"),
        ("/routes", "name"),
    ):
        answer = await world.get(path, **{name: text})
        assert answer.status_code in (200, 422), answer.text
