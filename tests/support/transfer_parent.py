"""A process that fetches one model as the node agent does, until it is done or killed:

    python tests/support/transfer_parent.py ORDER

ORDER is a file with a FetchOrder as JSON. Exit code 0: the model is in the store; 1: it was refused. What may pass is
tried again, as the agent does: a child that was killed, a server that is away while it is asked what there is to fetch.
"""

import asyncio
import sys
import time
from pathlib import Path

import msgspec

from roundhouse_node_agent.transfers.errors import TransferFailed
from roundhouse_node_agent.transfers.messages import FetchOrder
from roundhouse_node_agent.transfers.runner import fetch

_AGAIN_S = 0.05


def main() -> int:
    order = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=FetchOrder)
    while True:
        try:
            asyncio.run(fetch(order, lambda _: None))
        except TransferFailed as failure:
            print(failure.message, flush=True)
            if not failure.is_retryable:
                return 1
            time.sleep(_AGAIN_S)
        else:
            return 0


if __name__ == "__main__":
    sys.exit(main())
