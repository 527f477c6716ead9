"""A process that fetches one model as the node agent does, until it is done or killed:

    python tests/support/transfer_parent.py ORDER

ORDER is a file with a FetchOrder as JSON. Exit code 0: the model is in the store; 1: it was refused.
"""

import asyncio
import sys
from pathlib import Path

import msgspec

from roundhouse_node_agent.transfers.errors import TransferFailed
from roundhouse_node_agent.transfers.messages import FetchOrder
from roundhouse_node_agent.transfers.runner import fetch


def main() -> int:
    order = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=FetchOrder)
    try:
        asyncio.run(fetch(order, lambda _: None))
    except TransferFailed as failure:
        print(failure.message, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
