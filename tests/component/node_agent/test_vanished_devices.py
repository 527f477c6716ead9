"""An engine is never started with fewer devices than it was given."""

import pytest

from roundhouse_node_agent.domain.errors import LaunchFailed
from tests.component.node_agent.conftest import Node
from tests.support.scheduler_stub import an_assignment


@pytest.mark.contract("A33")
async def test_an_engine_whose_devices_are_gone_is_not_started_without_them(node: Node) -> None:
    await node.start()
    assert node.host is not None
    assignment = an_assignment(device_uuids=("GPU-1", "GPU-2"))
    with pytest.raises(LaunchFailed, match="not found any more: GPU-1, GPU-2"):
        await node.host.launch(assignment, "/models/smol.gguf", epoch=1, launch=1)
    assert node.processes() == []
