"""What each source plans is what the transfer needs: files come whole through the real child process."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from roundhouse_common.contracts.catalog import ModelSource, SourceKind
from roundhouse_common.contracts.models import InspectModel
from roundhouse_common.contracts.registry import READ_MODEL_FACTS
from roundhouse_node_agent.models.reading import read_model
from roundhouse_node_agent.sources.source import SourceOptions
from roundhouse_node_agent.transfers.errors import TransferFailed
from roundhouse_node_agent.transfers.messages import FetchOrder, TransferLimits
from roundhouse_node_agent.transfers.runner import fetch
from tests.component.node_agent.conftest import NODE, Node
from tests.support.eventually import eventually
from tests.support.hub_server import Fault, HubServer
from tests.support.model_files import a_config, dense_tensors, write_model
from tests.support.scheduler_stub import SchedulerStub

_WEIGHTS = bytes(range(256)) * 4000
_FILES = {"config.json": b'{"a": 1}', "model.safetensors": _WEIGHTS, "tokenizer.json": b"{}"}
_LIMITS = TransferLimits(headroom_bytes=0, part_bytes=300_000, retry_s=0.05, patience_s=10.0)
_SECRET = "hf_very_secret"


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        yield server


def _secret(tmp_path: Path, name: str, text: str) -> str:
    file = tmp_path / name
    file.write_text(text)
    file.chmod(0o600)
    return str(file)


def _options(hub: HubServer, tmp_path: Path) -> SourceOptions:
    token = _secret(tmp_path, "token", _SECRET)
    return SourceOptions(
        hugging_face_endpoints=(hub.url,),
        hugging_face_token_file=token,
        model_scope_endpoints=(hub.url,),
        model_scope_token_file=token,
        http_tokens_file=_secret(tmp_path, "tokens.json", json.dumps({f"{hub.url}/files": _SECRET})),
        answer_timeout_s=3.0,
    )


async def _fetched(source: ModelSource, hub: HubServer, tmp_path: Path) -> Mapping[str, bytes]:
    order = FetchOrder(source=source, root=str(tmp_path / "store"), options=_options(hub, tmp_path), limits=_LIMITS)
    stored = await fetch(order, lambda _: None)
    path = Path(stored.path)
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return {file.name: file.read_bytes() for file in files}


@pytest.mark.contract("A10")
@pytest.mark.parametrize("kind", [SourceKind.HUGGING_FACE, SourceKind.MODEL_SCOPE])
@pytest.mark.parametrize("fault", [Fault.CUT, Fault.WRONG, Fault.LIMITED, Fault.UNAVAILABLE])
async def test_a_private_repository_comes_whole_through_faults(
    hub: HubServer, tmp_path: Path, kind: SourceKind, fault: Fault
) -> None:
    hub.add("owner/name", {**_FILES, "README.md": b"#"}, is_private=True, members=frozenset({_SECRET}))
    hub.fail(fault, "/cdn/*", after_bytes=100_000, retry_after="0")
    assert await _fetched(ModelSource(kind=kind, uri="owner/name"), hub, tmp_path) == _FILES
    assert {asked.headers.get("Cookie", "") + asked.token for asked in hub.asked if asked.path.startswith("/cdn")} == {
        ""
    }


async def test_files_by_address_and_uploads_come_whole(hub: HubServer, tmp_path: Path) -> None:
    parts = {f"big-{number:05d}-of-00002.gguf": bytes([number]) * 400_000 for number in (1, 2)}
    url, _ = [hub.add_file(name, content) for name, content in parts.items()]
    stored = await _fetched(ModelSource(kind=SourceKind.HTTP, uri=url), hub, tmp_path)
    assert stored == {"big-00001-of-00002.gguf": parts["big-00001-of-00002.gguf"]}
    assert {asked.token for asked in hub.asked} == {_SECRET}
    upload = hub.add_upload("u1", "s3cret", {**_FILES, "chat template.jinja": b"{{ x }}"})
    source = ModelSource(kind=SourceKind.UPLOAD, uri=upload)
    assert await _fetched(source, hub, tmp_path) == {**_FILES, "chat template.jinja": b"{{ x }}"}


async def test_a_wrong_stated_digest_is_noticed(hub: HubServer, tmp_path: Path) -> None:
    source = ModelSource(kind=SourceKind.HTTP, uri=hub.add_file("a.gguf", b"GGUF"), sha256="ab" * 32)
    with pytest.raises(TransferFailed):
        await _fetched(source, hub, tmp_path)


async def test_a_node_tells_the_facts_of_a_model_that_is_elsewhere(
    node: Node, scheduler: SchedulerStub, hub: HubServer, tmp_path: Path
) -> None:
    config = a_config("qwen3-0.6b", num_hidden_layers=2, vocab_size=1000)
    model = write_model(tmp_path / "model", config, [dense_tensors(config)])
    commit = hub.add("owner/name", {file.name: file for file in model.iterdir()})
    node.sources = SourceOptions(hugging_face_endpoints=(hub.url,))
    await node.start()
    await eventually(lambda: scheduler.epochs)
    source = ModelSource(kind=SourceKind.HUGGING_FACE, uri="owner/name")
    found = await scheduler.bus.request(READ_MODEL_FACTS, InspectModel(source=source), NODE, timeout_s=28.0)
    assert (found.facts, found.revision, found.node_id) == (read_model(model), commit, NODE)
    assert found.file_count == 2
