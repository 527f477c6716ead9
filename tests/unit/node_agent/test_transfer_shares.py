"""How the limits of a node become those of each transfer."""

import pytest

from roundhouse_node_agent.models.provision import limits_for
from roundhouse_node_agent.transfers.messages import TransferLimits

MIB = 1024**2


@pytest.mark.parametrize(
    ("rate_bytes_s", "at_once", "connections", "share", "part_bytes"),
    [
        (0, 2, 8, 0, TransferLimits().part_bytes),
        (20 * MIB, 2, 8, 10 * MIB, 5 * MIB),
        (1000 * MIB, 1, 8, 1000 * MIB, TransferLimits().part_bytes),
        (100_000, 3, 8, 33_334, MIB),
    ],
)
def test_each_transfer_gets_an_even_share_and_small_parts_where_it_is_slow(
    rate_bytes_s: int, at_once: int, connections: int, share: int, part_bytes: int
) -> None:
    limits = limits_for(connections=connections, rate_bytes_s=rate_bytes_s, at_once=at_once, headroom_bytes=7)
    assert (limits.rate_bytes_s, limits.part_bytes) == (share, part_bytes)
    assert (limits.connections, limits.headroom_bytes) == (connections, 7)
