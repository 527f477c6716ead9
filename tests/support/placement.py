"""Builders for placement: devices, nodes with devices, and what is asked of them."""

from collections.abc import Sequence
from typing import Any

import msgspec

from roundhouse_common.contracts.catalog import Alternative, EngineKind, Placement, Resources
from roundhouse_common.contracts.node import DeviceInfo, DeviceVendor
from roundhouse_scheduler.domain.placement import Board, Candidate, Choice, Demand, Infeasible, Search, Shape, Siblings
from roundhouse_scheduler.domain.records import Node
from tests.support.scheduler import GIB, a_node, an_inventory

__all__ = ["a_board", "a_gpu", "a_gpu_node", "asking", "pick_each"]


def a_gpu(uuid: str, index: int = 0, **changes: Any) -> DeviceInfo:
    base = DeviceInfo(
        uuid=uuid,
        index=index,
        vendor=DeviceVendor.NVIDIA,
        model="NVIDIA L4",
        memory_total_bytes=24 * GIB,
        memory_free_bytes=24 * GIB,
    )
    return msgspec.structs.replace(base, **changes)


def a_gpu_node(node_id: str, *devices: DeviceInfo, count: int = 0, **inventory: Any) -> Node:
    """A node with these devices, or with `count` equal ones named after it."""
    found = devices or tuple(a_gpu(f"{node_id}-{index}", index) for index in range(count))
    return a_node(node_id, inventory=an_inventory(hostname=node_id, devices=found, **inventory))


def asking(
    resources: Resources | None = None,
    placement: Placement | None = None,
    *,
    alternatives: Sequence[Alternative] = (),
    refusals: dict[str, str] | None = None,
) -> Demand:
    """What a replica asks for; by default 1 GiB of host memory."""
    shape = Shape.asking(
        EngineKind.LLAMA_CPP, resources or Resources(memory_bytes=GIB), placement or Placement(), tuple(alternatives)
    )
    return Demand(deployment_id="dep_1", version_id="ver_1", shape=shape, refusals=refusals or {})


def a_board(*nodes: Node | Candidate) -> Board:
    return Board(item if isinstance(item, Candidate) else Candidate(item) for item in nodes)


def pick_each(demand: Demand, board: Board, count: int, siblings: Siblings | None = None) -> list[Choice | Infeasible]:
    """Place so many replicas of one version, one after the other."""
    search = Search(board, demand, siblings or Siblings())
    found: list[Choice | Infeasible] = []
    for _ in range(count):
        choice = search.pick()
        if choice is not None:
            search.claim(choice)
        found.append(choice or search.why_not())
    search.release()
    return found
