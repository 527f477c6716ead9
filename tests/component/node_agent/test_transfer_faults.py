"""Whatever a server does to a transfer, the file comes whole, or the failure says what to do."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from roundhouse_node_agent.transfers.plan import RemoteFile
from tests.support.file_server import Content, Fault, FileServer
from tests.support.transfers import PART, Transfers

CONTENT = Content(20 * PART + 777)
SMALL = Content(900, seed=2)


@pytest.fixture
async def server() -> AsyncIterator[FileServer]:
    async with FileServer() as running:
        yield running


@pytest.fixture
def transfers(tmp_path: Path) -> Transfers:
    return Transfers(tmp_path / "models")


def a_file(*urls: str, content: Content = CONTENT, **changes: object) -> RemoteFile:
    stated = {"path": "model.bin", "size": content.size, "sha256": content.sha256, **changes}
    return RemoteFile(urls=urls, **stated)  # type: ignore[arg-type]  # a builder: the fields as they come


def is_once(ranges: list[tuple[int, int]], size: int) -> bool:
    """Whether these ranges are the whole file, each byte of it once."""
    ends = [0]
    for start, end in sorted(ranges):
        if start != ends[-1]:
            return False
        ends.append(end)
    return ends[-1] == size


async def test_many_connections_fetch_each_byte_once(server: FileServer, transfers: Transfers) -> None:
    stored = await transfers.fetched(a_file(server.put("file", CONTENT)))
    assert transfers.bytes_of("model.bin") == CONTENT.read(0, CONTENT.size)
    assert is_once(server.ranges("file"), CONTENT.size)
    assert stored.manifest.files[0].sha256 == CONTENT.sha256
    assert transfers.store.layout.blob(CONTENT.sha256).stat().st_mode & 0o777 == 0o444
    assert not any(transfers.store.layout.partial.iterdir())


async def test_a_cut_in_mid_file_costs_only_what_was_not_written(server: FileServer, transfers: Transfers) -> None:
    url = server.put("file", CONTENT, fault=lambda number: Fault(cut_after=PART // 3) if number % 3 == 2 else None)
    await transfers.fetched(a_file(url))
    assert transfers.bytes_of("model.bin") == CONTENT.read(0, CONTENT.size)


async def test_small_files_come_in_one_answer_and_are_held_to_the_git_digest(
    server: FileServer, transfers: Transfers
) -> None:
    url = server.put("config.json", SMALL)
    await transfers.fetched(a_file(url, path="config.json", content=SMALL, sha256="", git_sha1=SMALL.git_sha1))
    assert [served.headers.get("Range") for served in server.served] == [None]
    assert transfers.bytes_of("config.json") == SMALL.read(0, SMALL.size)


async def test_an_empty_file_needs_no_answer(server: FileServer, transfers: Transfers) -> None:
    await transfers.fetched(a_file(server.put("empty", Content(0)), content=Content(0), path=".gitattributes"))
    assert transfers.bytes_of(".gitattributes") == b""
    assert server.served == []


@pytest.mark.parametrize("has_ranges", [True, False])
async def test_a_size_that_nobody_stated_is_learned(server: FileServer, transfers: Transfers, has_ranges: bool) -> None:
    url = server.put("file", CONTENT, has_ranges=has_ranges)
    await transfers.fetched(a_file(url, size=-1, sha256=""))
    assert transfers.bytes_of("model.bin") == CONTENT.read(0, CONTENT.size)


async def test_an_empty_file_of_unknown_size_is_found_empty(server: FileServer, transfers: Transfers) -> None:
    await transfers.fetched(a_file(server.put("empty", Content(0)), size=-1, sha256="", path="empty"))
    assert transfers.bytes_of("empty") == b""


async def test_a_server_that_tells_no_length_is_read_to_its_end(server: FileServer, transfers: Transfers) -> None:
    url = server.put("file", CONTENT, has_ranges=False, fault=lambda _: Fault(has_length=False))
    await transfers.fetched(a_file(url, size=-1))
    assert transfers.bytes_of("model.bin") == CONTENT.read(0, CONTENT.size)


async def test_without_ranges_a_cut_means_to_start_again(server: FileServer, transfers: Transfers) -> None:
    fault = lambda number: Fault(cut_after=5 * PART) if number < 3 else None  # noqa: E731
    await transfers.fetched(a_file(server.put("file", CONTENT, has_ranges=False, fault=fault)))
    assert transfers.bytes_of("model.bin") == CONTENT.read(0, CONTENT.size)
    assert set(server.ranges("file")) == {(0, CONTENT.size)}


@pytest.mark.parametrize("sha256", [CONTENT.sha256, ""], ids=["digest", "no digest"])
async def test_ranges_that_are_ignored_once_in_a_while_cost_no_part(
    server: FileServer, transfers: Transfers, sha256: str
) -> None:
    url = server.put("file", CONTENT, etag='"one"', fault=lambda number: Fault(has_ranges=number % 5 != 4))
    await transfers.fetched(a_file(url, sha256=sha256))
    assert is_once([part for part in server.ranges("file") if part != (0, CONTENT.size)], CONTENT.size)
    assert transfers.bytes_of("model.bin") == CONTENT.read(0, CONTENT.size)


async def test_a_server_that_sends_all_after_a_part_gives_the_file_in_one_piece(
    server: FileServer, transfers: Transfers
) -> None:
    await transfers.fetched(a_file(server.put("file", CONTENT, fault=lambda _: Fault(has_end=False))))
    assert transfers.bytes_of("model.bin") == CONTENT.read(0, CONTENT.size)
    assert server.ranges("file")[-1] == (0, CONTENT.size)


async def test_a_stalled_connection_is_given_up_and_its_rest_asked_for(
    server: FileServer, transfers: Transfers
) -> None:
    url = server.put("file", CONTENT, fault=lambda number: Fault(stall_after=PART // 2) if number == 4 else None)
    await transfers.fetched(a_file(url))
    assert transfers.bytes_of("model.bin") == CONTENT.read(0, CONTENT.size)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_a_server_that_is_busy_for_a_while_is_asked_again(
    server: FileServer, transfers: Transfers, status: int
) -> None:
    url = server.put("file", CONTENT, fault=lambda number: Fault(status=status) if number % 2 else None)
    await transfers.fetched(a_file(url))


async def test_retry_after_is_waited_for(server: FileServer, transfers: Transfers) -> None:
    wait = Fault(status=429, headers={"Retry-After": "1"})
    at: list[float] = []

    def fault(number: int) -> Fault | None:
        at.append(asyncio.get_running_loop().time())
        return wait if number == 1 else None

    await transfers.fetched(a_file(server.put("config.json", SMALL, fault=fault), content=SMALL))
    assert at[1] - at[0] >= 1.0


async def test_what_never_gets_better_is_given_up_for_now_and_its_parts_stay(
    server: FileServer, transfers: Transfers
) -> None:
    transfers.limited(patience_s=0.3, connections=1)
    url = server.put("file", CONTENT, fault=lambda number: Fault(status=500) if number > 3 else None)
    refused = await transfers.refused(a_file(url))
    assert refused.is_retryable
    assert "answered 500" in refused.message
    (unfinished,) = transfers.store.unfinished()
    assert unfinished.stored_bytes == 3 * PART
    server.served.clear()
    server.put("file", CONTENT)
    await transfers.fetched(a_file(url))
    assert min(server.ranges("file"))[0] == 3 * PART


async def test_parts_that_came_right_before_a_failure_stay(server: FileServer, transfers: Transfers) -> None:
    transfers.limited(connections=1)
    url = server.put("file", CONTENT, fault=lambda number: Fault(status=404) if number > 9 else None)
    await transfers.refused(a_file(url))
    (unfinished,) = transfers.store.unfinished()
    sent = [end - start for start, end in server.ranges("file")]
    assert unfinished.stored_bytes == sum(sent) == 9 * PART


@pytest.mark.parametrize(("status", "said"), [(401, "Set the node's token"), (403, "token"), (404, "no such file")])
async def test_a_refusal_is_said_at_once_and_without_secrets(
    server: FileServer, transfers: Transfers, status: int, said: str
) -> None:
    url = server.put("file", CONTENT, fault=lambda _: Fault(status=status))
    refused = await transfers.refused(a_file(f"{url}?signature=secret"))
    assert not refused.is_retryable
    assert said in refused.message
    assert url in refused.message
    assert "secret" not in refused.message
    assert len(server.served) == 1


async def test_a_mirror_is_asked_when_the_first_address_fails(server: FileServer, transfers: Transfers) -> None:
    broken = server.put(
        "broken", CONTENT, fault=lambda number: Fault(cut_after=PART) if number < 4 else Fault(status=404)
    )
    good = server.put("good", CONTENT)
    await transfers.fetched(a_file(broken, good))
    assert transfers.bytes_of("model.bin") == CONTENT.read(0, CONTENT.size)


async def test_nobody_there_is_a_failure_that_may_pass(transfers: Transfers) -> None:
    transfers.limited(patience_s=0.2)
    refused = await transfers.refused(a_file("http://127.0.0.1:1/file"))
    assert refused.is_retryable
    assert "http://127.0.0.1:1/file" in refused.message


async def test_a_file_of_another_length_than_stated_is_not_taken(server: FileServer, transfers: Transfers) -> None:
    refused = await transfers.refused(a_file(server.put("file", CONTENT), size=CONTENT.size - 1))
    assert f"{CONTENT.size} bytes" in refused.message
    assert not refused.is_retryable


async def test_an_encoded_answer_is_not_taken_for_the_file(server: FileServer, transfers: Transfers) -> None:
    url = server.put("config.json", SMALL, fault=lambda _: Fault(headers={"Content-Encoding": "gzip"}))
    refused = await transfers.refused(a_file(url, content=SMALL))
    assert "encoded" in refused.message


async def test_a_wrong_digest_is_fetched_again_from_elsewhere(server: FileServer, transfers: Transfers) -> None:
    wrong, right = server.put("wrong", Content(CONTENT.size, seed=9)), server.put("right", CONTENT)
    await transfers.fetched(a_file(wrong, right))
    assert transfers.bytes_of("model.bin") == CONTENT.read(0, CONTENT.size)


@pytest.mark.parametrize("content", [CONTENT, SMALL], ids=["large", "small"])
async def test_a_digest_that_stays_wrong_names_file_and_digests(
    server: FileServer, transfers: Transfers, content: Content
) -> None:
    other = Content(content.size, seed=9)
    refused = await transfers.refused(a_file(server.put("file", other), content=content))
    assert "model.bin" in refused.message
    assert content.sha256 in refused.message
    assert other.sha256 in refused.message
    assert not refused.is_retryable
    assert transfers.store.find(transfers.key) is None
    assert sum(end - start for start, end in server.ranges("file")) == 2 * content.size


@pytest.mark.parametrize("weak", ["", "W/"], ids=["strong", "weak"])
async def test_a_file_that_changes_meanwhile_starts_afresh(server: FileServer, transfers: Transfers, weak: str) -> None:
    new = Content(CONTENT.size, seed=5)

    def change(number: int) -> None:
        if number == 6:
            server.put("file", new, etag=f'{weak}"two"')

    url = server.put("file", CONTENT, etag=f'{weak}"one"', fault=change)
    await transfers.fetched(a_file(url, sha256=""))
    assert transfers.bytes_of("model.bin") == new.read(0, new.size)


async def test_a_file_that_changed_between_two_transfers_starts_afresh(
    server: FileServer, transfers: Transfers
) -> None:
    transfers.limited(patience_s=0.2, connections=1)
    url = server.put("file", CONTENT, etag='"one"', fault=lambda number: Fault(status=500) if number > 5 else None)
    await transfers.refused(a_file(url, sha256=""))
    assert transfers.store.unfinished()[0].stored_bytes == 5 * PART
    new = Content(CONTENT.size, seed=5)
    server.put("file", new, etag='"two"')
    await transfers.fetched(a_file(url, sha256=""))
    assert transfers.bytes_of("model.bin") == new.read(0, new.size)


async def test_credentials_do_not_follow_to_another_host(server: FileServer, transfers: Transfers) -> None:
    async with FileServer() as storage:
        target = storage.put("blob", CONTENT)
        moved = Fault(status=302, headers={"Location": target.replace("127.0.0.1", "localhost") + "?sig=a%2Fb"})
        url = server.put("file", CONTENT, fault=lambda _: moved)
        secret = {"Authorization": "Bearer hf_secret", "X-Wish": "kept"}
        await transfers.fetched(a_file(url, headers=secret))
        assert {served.headers.get("Authorization") for served in server.served} == {"Bearer hf_secret"}
        assert {served.headers.get("Authorization") for served in storage.served} == {None}
        assert {served.headers.get("X-Wish") for served in storage.served} == {"kept"}


async def test_the_way_is_asked_once_and_again_when_it_expires(server: FileServer, transfers: Transfers) -> None:
    transfers.limited(connections=1)
    expired = lambda number: Fault(status=403) if number == 5 else None  # noqa: E731
    target = server.put("signed", CONTENT, fault=expired)
    url = server.put("file", CONTENT, fault=lambda _: Fault(status=307, headers={"Location": target}))
    await transfers.fetched(a_file(url))
    assert len([served for served in server.served if served.path == "file"]) == 2


async def test_the_proxy_of_the_environment_is_used_but_where_it_says_not_to(
    server: FileServer, transfers: Transfers, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FileServer() as direct:
        monkeypatch.setenv("http_proxy", server.url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        server.put("far.bin", CONTENT)
        far = a_file("http://models.example/far.bin", path="far.bin")
        near = a_file(direct.put("near.bin", SMALL), path="near.bin", content=SMALL)
        await transfers.fetched(far, near)
        assert {served.headers["Host"] for served in server.served} == {"models.example"}
        assert [served.path for served in direct.served] == ["near.bin"]


async def test_redirects_in_a_circle_are_refused(server: FileServer, transfers: Transfers) -> None:
    url = server.put("file", CONTENT, fault=lambda _: Fault(status=302, headers={"Location": "/file"}))
    refused = await transfers.refused(a_file(url))
    assert "circles" in refused.message


async def test_no_more_comes_than_the_limit_lets_through(server: FileServer, transfers: Transfers) -> None:
    transfers.limited(rate_bytes_s=CONTENT.size)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await transfers.fetched(a_file(server.put("file", CONTENT)))
    assert loop.time() - began >= 0.7  # a second, less the burst of a quarter


async def test_too_little_room_says_how_much_is_missing_and_where(server: FileServer, transfers: Transfers) -> None:
    transfers.limited(headroom_bytes=transfers.store.free_bytes() + 5_000_000_000)
    refused = await transfers.refused(a_file(server.put("file", CONTENT)))
    assert "GB are missing on the disk of" in refused.message
    assert str(transfers.store.layout.root) in refused.message
    assert server.served == []


async def test_hostile_paths_are_refused_before_anything_is_fetched(server: FileServer, transfers: Transfers) -> None:
    refused = await transfers.refused(a_file(server.put("file", CONTENT), path="../../outside"))
    assert "outside" in refused.message
    assert server.served == []
