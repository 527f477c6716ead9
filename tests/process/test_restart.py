"""Down and up again: what is kept, what is rebuilt, what is left behind."""

import shutil

import pytest

from tests.process.ledger import Ledger
from tests.process.platform import DEMO, Platform
from tests.process.traffic import Traffic

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]


@pytest.mark.contract("A14", "A16", "F04")
async def test_everything_is_there_again_after_jetstream_was_wiped(platform: Platform, ledger: Ledger) -> None:
    async with Traffic(platform.connection["router_url"], ledger.secret) as traffic:
        await traffic.more(4)
    before = platform.connection
    records = await ledger.settled(traffic.completed)

    platform.down()
    assert list(platform.processes()) == []
    shutil.rmtree(platform.data_dir / "nats" / "jetstream")
    platform.up()

    assert platform.connection["api_key"] == before["api_key"]
    assert [deployment["name"] for deployment in platform.json("deployments", "ls")] == [DEMO]
    assert await ledger.records() == records
    async with Traffic(platform.connection["router_url"], ledger.secret) as traffic:
        await traffic.more(3)
    assert traffic.failures == []
    assert len(await ledger.settled(len(records) + traffic.completed)) == len(records) + traffic.completed


def test_a_second_up_says_that_it_runs_and_prints_the_same_key(platform: Platform) -> None:
    printed = platform.up()

    assert platform.connection["api_key"] in printed


def test_up_refuses_a_port_in_use_before_anything_starts(platform: Platform, tmp_path: object) -> None:
    other = Platform(platform.data_dir.parent / "other", platform.base_port)

    refused = other.try_command(
        "up", "--detach", "--data-dir", str(other.data_dir), "--base-port", str(other.base_port)
    )

    assert refused.returncode != 0
    assert str(platform.base_port) in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    assert list(other.processes()) == []
