"""Whatever mixture of faults servers come up with, the file is right in the end. Seeded: a failing seed replays."""

import random
from pathlib import Path

import pytest

from roundhouse_node_agent.transfers.plan import RemoteFile
from tests.support.file_server import Content, Fault, FileServer
from tests.support.transfers import Transfers


class Storm:
    """Half of all answers go wrong, for so many requests; then the weather is fine."""

    def __init__(self, rng: random.Random, size: int, elsewhere: str) -> None:
        self._rng = rng
        self._left = rng.randint(5, 40)
        self._size = size
        self._elsewhere = elsewhere

    def __call__(self, _number: int) -> Fault | None:
        self._left -= 1
        if self._left < 0 or self._rng.random() < 0.5:
            return None
        many = self._rng.randint(0, self._size)
        return self._rng.choice(
            [
                Fault(cut_after=many),
                Fault(cut_after=0),
                Fault(stall_after=many),
                Fault(status=self._rng.choice([408, 429, 500, 502, 503, 504])),
                Fault(has_ranges=False),
                Fault(has_ranges=False, cut_after=many),
                Fault(status=302, headers={"Location": self._elsewhere}),
            ]
        )


@pytest.mark.parametrize("seed", range(12))
async def test_a_storm_of_faults_ends_with_the_right_file(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    content = Content(rng.choice([1, 60_000, 1_500_000, 3_000_017]), seed=seed)
    transfers = Transfers(tmp_path / "models")
    transfers.limited(
        part_bytes=rng.choice([50_000, 131_072, 1_000_000]),
        connections=rng.choice([1, 3, 8]),
        stall_timeout_s=0.1,
        patience_s=20.0,
    )
    async with FileServer() as server, FileServer() as mirror:
        elsewhere = mirror.put("file", content, etag='"same"')
        urls = [server.put("file", content, etag='"same"', fault=Storm(rng, content.size, elsewhere))]
        if rng.random() < 0.5:
            urls.append(mirror.put("mirrored", content, etag='"same"', fault=Storm(rng, content.size, elsewhere)))
        sha256, git_sha1 = rng.choice([(content.sha256, ""), ("", content.git_sha1), ("", "")])
        size = rng.choice([content.size, -1]) if sha256 or git_sha1 else content.size
        await transfers.fetched(
            RemoteFile(path="model.bin", size=size, urls=tuple(urls), sha256=sha256, git_sha1=git_sha1)
        )
    assert transfers.bytes_of("model.bin") == content.read(0, content.size)
    assert not any(transfers.store.layout.partial.iterdir())
    assert not any(transfers.store.layout.locks.iterdir())
