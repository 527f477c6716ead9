"""The llama.cpp driver: commands against golden files, metrics, diagnoses."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from roundhouse_common.contracts.catalog import ModelDefaults, ModelKind
from roundhouse_common.contracts.node import DeviceInfo, DeviceVendor
from roundhouse_node_agent.domain.engine_run import EngineSample
from roundhouse_node_agent.domain.engine_runtime import EngineRuntime
from roundhouse_node_agent.engines import xllamacpp_runner
from roundhouse_node_agent.engines.engine import Ending, RenderOrder
from roundhouse_node_agent.engines.llama_cpp import LlamaCpp
from roundhouse_node_agent.engines.prometheus_text import parse_metrics
from tests.support.scheduler_stub import an_assignment

GOLDEN = Path(__file__).with_name("golden")
ENGINE = LlamaCpp(runner=Path("/opt/roundhouse/xllamacpp_runner.py"))
RUNTIME = EngineRuntime(kind=ENGINE.kind, python="/opt/engines/llama/bin/python")


def gpu(index: int) -> DeviceInfo:
    return DeviceInfo(
        uuid=f"GPU-{index}",
        index=index,
        vendor=DeviceVendor.NVIDIA,
        model="H",
        memory_total_bytes=80 << 30,
        memory_free_bytes=80 << 30,
    )


CASES: dict[str, tuple[dict[str, Any], tuple[DeviceInfo, ...]]] = {
    "chat-on-cpu": ({"parameters": {}}, ()),
    "chat-on-two-gpus": ({"parameters": {"parallel": "16", "context": "8192"}}, (gpu(1), gpu(3))),
    "embedding": ({"model_kind": ModelKind.EMBEDDING, "parameters": {"pooling": "mean", "threads": "2"}}, ()),
    "rerank": ({"model_kind": ModelKind.RERANK, "parameters": {}}, ()),
    "template": ({"parameters": {}, "defaults": ModelDefaults(chat_template="{{ messages }}")}, ()),
    "everything": (
        {
            "parameters": {
                "parallel": "8",
                "context": "1024",
                "threads": "4",
                "batch": "256",
                "gpu_layers": "auto",
                "pooling": "last",
                "cache_type": "q8_0",
                "prompt_cache_mib": "512",
                "chat_template_file": "/templates/hermes.jinja",
            }
        },
        (gpu(0),),
    ),
}


@pytest.mark.contract("A11")
@pytest.mark.parametrize("case", CASES)
def test_the_command_is_the_golden_one(case: str) -> None:
    changes, devices = CASES[case]
    version = an_assignment(**changes).version
    assert ENGINE.cannot_run(version) is None
    command = ENGINE.render(
        RenderOrder(
            runtime=RUNTIME,
            version=version,
            served_name="smol",
            model_path="/models/smol.gguf",
            devices=devices,
            host="127.0.0.1",
            port=9001,
            api_key="the-key",
        )
    )
    files = {"files": command.files} if command.files else {}
    rendered = json.dumps({"argv": command.argv, "env": command.env, **files}, indent=1) + "\n"
    golden = GOLDEN / f"llama_cpp-{case}.json"
    if os.environ.get("ROUNDHOUSE_WRITE_GOLDEN"):
        golden.write_text(rendered)
    assert rendered == golden.read_text()
    assert "the-key" not in command.argv


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"parameters": {"paralel": "2"}}, "no parameter paralel; it has batch, cache_type"),
        ({"parameters": {"parallel": "0"}}, "parameter parallel is '0'"),
        ({"parameters": {"pooling": "max"}}, "one of none, mean, cls, last, rank"),
        ({"parameters": {"chat_template_file": "t.jinja"}}, "an absolute path"),
        ({"model_kind": ModelKind.IMAGE}, "does not serve models of kind image"),
    ],
)
def test_what_it_cannot_run_is_refused_in_words(changes: dict[str, Any], words: str) -> None:
    assert words in str(ENGINE.cannot_run(an_assignment(**changes).version))


def test_its_metrics_get_our_names() -> None:
    version = an_assignment().version
    text = (GOLDEN / "llama_cpp-metrics.txt").read_text()
    assert ENGINE.sample(parse_metrics(text), version) == EngineSample(
        running=2,
        waiting=1,
        input_tokens_total=31.0,
        cached_input_tokens_total=11.0,
        output_tokens_total=72.0,
    )
    assert ENGINE.sample(parse_metrics("loading model"), version) is None


def test_labelled_metrics_are_summed_and_other_lines_skipped() -> None:
    values = parse_metrics('# HELP a b\na{x="1",y="2"} 3 1700000000\na{x="2"} 4\nc\n{"error": 1}\n')
    assert values == {"a": 7.0}


@pytest.mark.parametrize(
    ("lines", "code", "signal", "kind", "words"),
    [
        ("E srv start: couldn't bind HTTP server socket, hostname: 127.0.0.1, port: 1", 5, None, "port_in_use", "port"),
        ("[runner] port 9001 is in use", 5, None, "port_in_use", "port"),
        (
            "E gguf_init_from_reader: invalid magic characters: 'hell', expected 'GGUF'",
            4,
            None,
            "model_corrupt",
            "GGUF",
        ),
        (
            "E llama_model_load: error: tensor 'blk.16.x' data is not within the file bounds, model is corrupted",
            4,
            None,
            "model_corrupt",
            "checksum",
        ),
        ("E gguf_init_from_file: failed to open GGUF file '/x.gguf' (No such file)", 4, None, "model_missing", "file"),
        ("unknown model architecture: 'mamba9'", 4, None, "unsupported_architecture", "mamba9"),
        (
            "ggml_backend_cpu_buffer_type_alloc_buffer: failed to allocate buffer of size 9",
            4,
            None,
            "out_of_memory",
            "context",
        ),
        ("cudaMalloc failed: out of memory", 4, None, "out_of_memory", "memory"),
        ("write: No space left on device", 1, None, "disk_full", "disk"),
        ("ModuleNotFoundError: No module named 'numpy'", 1, None, "broken_environment", "numpy"),
        ("anything", 6, None, "broken_environment", "xllamacpp"),
        ("anything", 4, None, "model_unloadable", "could not be loaded"),
        ("anything", None, 9, "killed", "want of memory"),
        ("anything", None, 11, "crashed", "SIGSEGV"),
        ("anything", 77, None, "unknown", "code 77 after 3 s"),
        ("anything", None, None, "vanished", "restarted"),
    ],
)
def test_a_failure_is_told_in_words_a_person_can_act_on(
    lines: str, code: int | None, signal: int | None, kind: str, words: str
) -> None:
    ending = Ending(code=code, signal=signal, lines=["I loading", lines, "I cleaning up"], ran_s=3.2)
    diagnosis = ENGINE.diagnose(ending)
    assert diagnosis.kind == kind
    assert words in diagnosis.text
    assert lines[:400] in diagnosis.lines


def test_the_first_error_decides_and_long_logs_are_cut() -> None:
    lines = [f"line {number}" for number in range(190)]
    lines[100] = "unknown model architecture: 'first'"
    diagnosis = ENGINE.diagnose(Ending(code=4, signal=None, lines=lines, ran_s=1))
    assert diagnosis.lines[0] == lines[100]
    assert len(diagnosis.lines) == 20


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "it begins with b''"),
        (b"PK--" + bytes(64), "it begins with b'PK--', not with b'GGUF'"),
        (b"GGUF\x03", "it has 5 bytes only"),
        (b"GGUF" + bytes(4096), "its version is 0"),
    ],
)
def test_what_is_no_gguf_file_is_told_by_the_runner_itself(
    content: bytes, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "broken.gguf"
    model.write_bytes(content)
    code = xllamacpp_runner.main(["--model", str(model), "--alias", "x", "--port", "0"])
    said = capsys.readouterr().out.splitlines()
    assert says in said[-1]
    assert ENGINE.diagnose(Ending(code=code, signal=None, lines=said, ran_s=0.1)).kind == "model_corrupt"


def test_without_a_known_cause_the_runners_own_words_are_shown() -> None:
    lines = ["[runner] loading /m.gguf", "[runner] model /m.gguf cannot be loaded: no such thing"]
    told = ENGINE.diagnose(Ending(code=4, signal=None, lines=lines, ran_s=1)).text
    assert "cannot be loaded: no such thing" in told
