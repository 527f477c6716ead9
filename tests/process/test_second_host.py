"""A second host joins the running platform by a token, works, and is removed."""

from collections import Counter
from pathlib import Path

import pytest

from tests.process.ledger import Ledger
from tests.process.platform import DEMO, Platform, until
from tests.process.second_host import second_host, states
from tests.process.traffic import Traffic

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]


@pytest.mark.contract("A23", "A33")
async def test_four_replicas_spread_over_two_hosts(platform: Platform, ledger: Ledger, tmp_path: Path) -> None:
    with second_host(platform, tmp_path) as node_id:
        await until(
            lambda: states(platform).get(node_id) == "ready", within_s=90, what="the second host is a ready node"
        )
        platform.command("deployments", "scale", DEMO, "4")
        await until(lambda: len(platform.engine_pids()) == 4, within_s=90, what="four ready replicas")

        per_node = Counter(replica["node_id"] for replica in platform.replicas())
        assert sorted(per_node.values()) == [2, 2]
        async with Traffic(platform.connection["router_url"], ledger.secret) as traffic:
            await traffic.more(12)
            platform.command("deployments", "scale", DEMO, "1")
            await until(lambda: len(platform.replicas()) == 1, within_s=90, what="one replica left")
        assert traffic.failures == []
        assert {record["node_id"] for record in await ledger.settled(traffic.completed)} == set(per_node)


async def test_a_host_joins_once_per_token_is_cut_off_when_removed_and_may_join_again(
    platform: Platform, tmp_path: Path
) -> None:
    home = ("--state-dir", str(tmp_path / "node"))
    url = platform.connection["router_url"]
    nats = platform.pid("nats")
    token = platform.command("nodes", "join-token", "--label", "disk=ssd").strip()
    platform.command("node", "join", url, "--token", token, "--name", "nod_third", "--detach", *home)
    assert states(platform)["nod_third"] == "ready"
    assert platform.json("nodes", "show", "nod_third")["labels"]["disk"] == "ssd"

    refused = platform.try_command("node", "join", url, "--token", token, "--state-dir", str(tmp_path / "thief"))
    assert refused.returncode == 1
    assert "was used by nod_third" in refused.stderr

    platform.command("nodes", "rm", "nod_third")
    await until(
        lambda: '"exit_code":5' in (tmp_path / "node" / "agent.log").read_text(),
        within_s=30,
        what="the agent of the removed node has left, saying so by its exit code",
    )
    assert "nod_third" not in states(platform)

    again = platform.command("nodes", "join-token").strip()
    platform.command("node", "join", url, "--token", again, "--detach", *home)
    assert states(platform)["nod_third"] == "ready"
    assert platform.pid("nats") == nats, "nobody restarted the server"
    platform.command("node", "stop", "--engines", *home)
    platform.command("nodes", "rm", "nod_third")
