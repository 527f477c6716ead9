"""Reading the beginnings of files at a source: few questions, the right bytes, whatever the server does."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest

from roundhouse_common.sizing.readers import Unreadable
from roundhouse_node_agent.models.remote_tree import Budget, RemoteTree
from roundhouse_node_agent.sources.source import SourceRefused
from roundhouse_node_agent.transfers.plan import RemoteFile
from tests.support.hub_server import Fault, HubServer

_KIB = 1024
_CONTENT = b"".join(number.to_bytes(4, "little") for number in range(500 * _KIB))
"""2000 KiB in which every four bytes say where they are."""


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        server.add("owner/name", {"model.safetensors": _CONTENT})
        yield server


def _file(hub: HubServer, *, size: int = len(_CONTENT), others: tuple[str, ...] = ()) -> RemoteFile:
    url = f"{hub.url}/owner/name/resolve/main/model.safetensors"
    return RemoteFile(path="sub/model.safetensors", size=size, urls=(*others, url), headers={"Authorization": ""})


@contextmanager
def _tree(*files: RemoteFile, budget: Budget | None = None) -> Iterator[RemoteTree]:
    with (
        httpx2.Client(follow_redirects=True, timeout=2.0) as client,
        RemoteTree(files, what="m", folder="sub", client=client, budget=budget or Budget()) as tree,
    ):
        yield tree


def _read(tree: RemoteTree, *counts: int) -> list[bytes]:
    with tree.open("model.safetensors") as file:
        return [file.read(count) for count in counts]


def test_reading_on_asks_for_ever_more_and_follows_the_redirect_once(hub: HubServer) -> None:
    with _tree(_file(hub)) as tree:
        found = _read(tree, 8, 1000 * _KIB, -1)
    assert b"".join(found) == _CONTENT
    assert len([asked for asked in hub.asked if "/resolve/" in asked.path]) == 1
    assert hub.asked[1].range == f"bytes=0-{128 * _KIB - 1}"
    assert len(hub.asked) < 8
    assert {asked.token for asked in hub.asked if asked.path.startswith("/cdn/")} == {""}


def test_only_the_folder_s_own_files_are_seen(hub: HubServer) -> None:
    other = RemoteFile(path="model.safetensors", size=1, urls=())
    below = RemoteFile(path="sub/below/model.safetensors", size=1, urls=())
    with _tree(_file(hub), other, below) as tree:
        assert tree.names() == ["model.safetensors"]
        assert tree.size("model.safetensors") == len(_CONTENT)
        assert tree.size("none") is None


@pytest.mark.parametrize("fault", [None, Fault.RANGE_IGNORED])
def test_a_size_that_the_source_did_not_state_is_learnt(hub: HubServer, fault: Fault | None) -> None:
    if fault:
        hub.fail(fault, times=-1)
    with _tree(_file(hub, size=-1)) as tree:
        assert tree.size("model.safetensors") == len(_CONTENT)
        assert _read(tree, 300 * _KIB) == [_CONTENT[: 300 * _KIB]]


def test_a_redirect_that_has_expired_is_asked_for_again(hub: HubServer) -> None:
    with _tree(_file(hub)) as tree, tree.open("model.safetensors") as file:
        start = file.read(4)
        hub.fail(Fault.FORBIDDEN, "/cdn/*")
        assert start + file.read() == _CONTENT
    assert len([asked for asked in hub.asked if "/resolve/" in asked.path]) == 2


def test_the_next_address_is_asked_when_one_fails(hub: HubServer) -> None:
    others = ("http://127.0.0.1:9/x", f"{hub.url}/owner/none/resolve/main/model.safetensors")
    with _tree(_file(hub, others=others)) as tree:
        assert _read(tree, 100) == [_CONTENT[:100]]


def test_another_part_than_the_one_asked_for_is_not_taken(hub: HubServer) -> None:
    def shifted(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(206, headers={"Content-Range": f"bytes 4-99/{len(_CONTENT)}"}, content=_CONTENT[4:100])

    with (
        httpx2.Client(transport=httpx2.MockTransport(shifted)) as client,
        RemoteTree([_file(hub)], what="m", folder="sub", client=client, budget=Budget()) as tree,
        pytest.raises(SourceRefused, match=r"gives another part of sub/model\.safetensors than was asked for"),
    ):
        _read(tree, 100)


def test_a_budget_ends(hub: HubServer) -> None:
    with _tree(_file(hub), budget=Budget(most_bytes=500 * _KIB)) as tree:
        assert _read(tree, 100 * _KIB) == [_CONTENT[: 100 * _KIB]]
        with pytest.raises(Unreadable, match="larger than what is read"):
            _read(tree, -1)


def test_an_empty_file_ends_at_once(hub: HubServer) -> None:
    hub.add("owner/name", {"model.safetensors": b""})
    with _tree(_file(hub, size=0)) as tree:
        assert _read(tree, 8) == [b""]
    assert hub.asked == []
