"""What can never run is refused at once, with the values that could; memory is computed or stated, never guessed."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from roundhouse_catalog.domain.drafts import AlternativeDraft, PlacementDraft, ResourcesDraft, VersionDraft
from roundhouse_catalog.domain.models import Model
from roundhouse_catalog.domain.sources import SourceDraft
from roundhouse_common.contracts.catalog import ModelDefaults
from roundhouse_common.contracts.models import AttentionKind, LayerGroup, ModelFacts, ModelFormat
from roundhouse_common.errors import InvalidInput
from roundhouse_common.sizing import MemoryNeed, need_of_version
from tests.unit.catalog.builders import GIB, a_deployment, a_model

QWEN = ModelFacts(  # Qwen2.5-7B-Instruct's config.json
    format=ModelFormat.SAFETENSORS,
    architecture="Qwen2ForCausalLM",
    weight_bytes=15_231_233_024,
    parameter_count=7_615_616_512,
    dtype="bfloat16",
    context_length=32_768,
    layers=28,
    hidden_size=3584,
    intermediate_size=18_944,
    attention_heads=28,
    kv_heads=4,
    vocab_size=152_064,
    groups=(LayerGroup(layers=28, attention=AttentionKind.FULL, kv_heads=4, key_dim=128, value_dim=128),),
)


def a_qwen(*, memory_bytes: int = 0, **changes: Any) -> Model:
    model = a_model(
        name="qwen", memory_bytes=memory_bytes, context_length=0, source=SourceDraft(kind="path", uri="/models/qwen")
    )
    return replace(model, facts=QWEN, **changes)


def vllm(devices: int, nodes: int = 1, **parameters: str) -> VersionDraft:
    resources = ResourcesDraft(device_count=devices, node_count=nodes)
    return VersionDraft(engine="vllm", parameters=parameters, resources=resources)


def refused(version: VersionDraft, model: Model | None = None) -> dict[str, str]:
    with pytest.raises(InvalidInput) as error:
        a_deployment(model or a_qwen(), version=version)
    return {fault.field: fault.message for fault in error.value.fields}


def test_the_need_of_each_device_is_computed_from_the_files() -> None:
    spec = a_deployment(a_qwen(), version=vllm(2)).version.spec
    need = need_of_version(
        QWEN,
        engine=spec.engine,
        parameters={},
        resources=spec.resources,
        context_length=32_768,
        model_kind=spec.model_kind,
    )
    assert isinstance(need, MemoryNeed)
    assert (spec.memory_need, spec.resources.memory_bytes) == (need, need.total_bytes)
    assert spec.context_length == 32_768


def test_what_somebody_stated_goes_before_what_was_computed() -> None:
    stated = replace(vllm(1), resources=ResourcesDraft(device_count=1, memory_bytes=40 * GIB))
    spec = a_deployment(a_qwen(), version=stated).version.spec
    assert (spec.resources.memory_bytes, spec.memory_need) == (40 * GIB, None)


def test_devices_that_do_not_divide_the_heads_are_refused_with_those_that_do() -> None:
    message = refused(vllm(3))["resources.device_count"]
    assert message == ("tensor parallel 3 found; it must divide the 28 attention heads; possible are 1, 2, 4, 28")


def test_a_context_beyond_the_models_is_refused() -> None:
    message = refused(vllm(1, context="65536"))["parameters.context"]
    assert message == '"65536" found; "qwen" was made for 32768 tokens: 1 to 32768 is allowed'


def test_devices_that_the_engine_would_not_all_use_are_refused_also_where_the_files_are_not_known() -> None:
    unknown = a_qwen(memory_bytes=GIB)
    message = refused(vllm(2, tensor_parallel="4"), replace(unknown, facts=None))["resources.device_count"]
    assert message == "tensor parallel 4 x pipeline parallel 1 uses 4 devices; 2 are asked for"


def test_an_engine_that_cannot_read_the_files_is_refused_with_those_that_can() -> None:
    message = refused(VersionDraft(engine="llama.cpp"))["engine"]
    assert message == (
        "llama.cpp reads gguf, and the model's files are safetensors; engines that read it: lmdeploy, mindie, sglang,"
        " transformers, vllm, xinference"
    )


def test_a_quantization_that_the_engine_dropped_is_refused() -> None:
    quantized = a_qwen()
    assert quantized.facts is not None
    facts = msgspec.structs.replace(quantized.facts, quantization="bitsandbytes-4bit")
    message = refused(vllm(1), replace(quantized, facts=facts))["engine"]
    assert "quantized as bitsandbytes-4bit; engines that can: sglang, transformers, xinference" in message


def test_an_engine_of_one_node_is_not_spread_over_two() -> None:
    version = VersionDraft(resources=ResourcesDraft(device_count=1, node_count=2))
    message = refused(version, a_model())["resources.node_count"]
    assert message == "2 found; a replica of llama.cpp runs on 1 node. Engines that span nodes: sglang, vllm"


def test_memory_that_cannot_be_computed_says_why() -> None:
    model = a_qwen()
    facts = msgspec.structs.replace(QWEN, gaps=("config.json names no attention heads",))
    message = refused(vllm(1), replace(model, facts=facts))["resources.memory_bytes"]
    assert "cannot be computed: config.json names no attention heads; state it here in bytes" in message


def test_each_alternative_has_its_own_need() -> None:
    alternatives = (
        AlternativeDraft(name="two", device_model="*H100*", resources=ResourcesDraft(device_count=2)),
        AlternativeDraft(name="four", device_model="*L4*", resources=ResourcesDraft(device_count=4)),
    )
    spec = a_deployment(a_qwen(), version=VersionDraft(engine="vllm", alternatives=alternatives)).version.spec
    two, four = (one.resources for one in spec.alternatives)
    assert spec.resources == two  # the first stands for the version until it has a place
    assert 0 < four.memory_bytes < two.memory_bytes
    needs = [one.memory_need for one in spec.alternatives]
    assert [need and need.total_bytes for need in needs] == [two.memory_bytes, four.memory_bytes]


@pytest.mark.parametrize(
    ("second", "field", "told"),
    [
        (AlternativeDraft(name="a"), "alternatives.1.name", "found twice"),
        (AlternativeDraft(name="b", device_model="*x*", resources=ResourcesDraft(device_count=1)), "alternatives.1",
         'the same devices and resources as in "a"'),
        (AlternativeDraft(name="b", device_model="*x*"), "alternatives.1.device_model", "device_count is 0"),
        (AlternativeDraft(name="b", parameters={"no": "1"}), "alternatives.1.parameters.no", "has no parameter"),
        (AlternativeDraft(name="b", resources=ResourcesDraft(node_count=0)), "alternatives.1.resources.node_count",
         "0 found; 1 to 64"),
    ],
)  # fmt: skip
def test_alternatives_that_can_never_be_taken_are_refused(second: AlternativeDraft, field: str, told: str) -> None:
    first = AlternativeDraft(name="a", device_model="*X*", resources=ResourcesDraft(device_count=1))
    faults = refused(VersionDraft(alternatives=(first, second)), a_model())
    assert told in faults[field]


def test_all_ways_to_run_a_version_span_as_many_nodes() -> None:
    alternatives = (
        AlternativeDraft(name="one", device_model="*H200*", resources=ResourcesDraft(device_count=2)),
        AlternativeDraft(name="two", device_model="*L4*", resources=ResourcesDraft(device_count=2, node_count=2)),
    )
    faults = refused(VersionDraft(engine="vllm", alternatives=alternatives))
    assert faults == {
        "alternatives.1.resources.node_count": "2 found; every way to run a version spans as many nodes: 1"
    }


@pytest.mark.parametrize(
    ("placement", "field", "told"),
    [
        (PlacementDraft(strategy="sprad"), "placement.strategy", "allowed are spread, pack"),
        (PlacementDraft(node_anti_affinity="never"), "placement.node_anti_affinity", "none, preferred, required"),
        (PlacementDraft(zone="no blanks"), "placement.zone", "a zone has 1 to 63"),
        (PlacementDraft(device_model="*H100*"), "placement.device_model", "device_count is 0"),
        (PlacementDraft(device_uuids=("GPU-1",)), "placement.device_uuids", "device_count is 0"),
        (PlacementDraft(node_ids=("nod_1", "nod_1")), "placement.node_ids.1", "found twice"),
    ],
)
def test_a_placement_that_can_never_be_is_refused(placement: PlacementDraft, field: str, told: str) -> None:
    assert told in refused(VersionDraft(placement=placement), a_model())[field]


def test_fewer_named_devices_than_a_replica_takes_are_refused() -> None:
    version = VersionDraft(resources=ResourcesDraft(device_count=2), placement=PlacementDraft(device_uuids=("GPU-1",)))
    assert "1 devices found; one replica takes 2" in refused(version, a_model())["placement.device_uuids"]


def test_a_template_of_its_own_needs_an_engine_that_takes_one() -> None:
    model = a_qwen(memory_bytes=8 * GIB, defaults=ModelDefaults(chat_template="{{ messages }}"))
    said = refused(VersionDraft(engine="transformers"), model)["engine"]
    assert said.startswith("transformers knows no chat template but the one in the model's files")
    assert said.endswith("engines that take it: llama-server, llama.cpp, lmdeploy, sglang, vllm")
    assert a_deployment(model, version=vllm(1)).version.spec.defaults == model.defaults
    plain = a_qwen(memory_bytes=8 * GIB, defaults=ModelDefaults(system_message="Be brief."))
    assert a_deployment(plain, version=VersionDraft(engine="transformers")).version.spec.defaults == plain.defaults
