"""What a node tells of its engines' own counts."""

from typing import Any

import msgspec

from roundhouse_common.contracts.node import EngineCounters, NodeSample
from tests.support.metering import node_sample

__all__ = ["engine_counters", "engine_sample"]


# Any below: fields of the struct.
def engine_counters(at: float, **changes: Any) -> EngineCounters:
    """Return a reading of the only run of `rep_1`, started ten seconds before."""
    reading = EngineCounters(
        replica_id="rep_1",
        deployment_id="dep_1",
        attempt=1,
        launch=1,
        engine="llama.cpp",
        started_at=at - 10,
        read_at=at,
        input_tokens=0,
        cached_input_tokens=0,
        output_tokens=0,
    )
    return msgspec.structs.replace(reading, **changes)


def engine_sample(at: float, *engines: EngineCounters, **changes: Any) -> NodeSample:
    """Return the sample of `nod_1` that tells them."""
    return node_sample(at, node_id="nod_1", engines=engines, **changes)
