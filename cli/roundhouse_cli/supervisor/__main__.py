"""`python -m roundhouse_cli.supervisor PLAN [--parent=PID]`: run the plan in that file until SIGTERM.

With a parent it stops as on SIGTERM when that process dies.

Exit codes: 0 stopped as asked, 2 no plan, 4 another supervisor holds the data directory.
"""

import asyncio
import fcntl
import os
import signal
import sys
from pathlib import Path

from roundhouse_cli.supervisor.events import EventLog
from roundhouse_cli.supervisor.logfile import RotatingFile
from roundhouse_cli.supervisor.plan import Plan
from roundhouse_cli.supervisor.processes import follow_parent
from roundhouse_cli.supervisor.supervise import supervise
from roundhouse_common.runtime import SystemClock


def main(arguments: list[str]) -> int:
    """Take the lock of the data directory and supervise."""
    if len(arguments) not in (1, 2):
        print("usage: python -m roundhouse_cli.supervisor PLAN [--parent=PID]", file=sys.stderr)
        return 2
    if len(arguments) == 2:
        follow_parent(int(arguments[1].removeprefix("--parent=")), signal.SIGTERM)
    plan = Plan.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    with (plan.run_dir / "supervisor.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"another supervisor runs on {plan.data_dir}", file=sys.stderr)
            return 4
        os.umask(0o077)
        events = EventLog(RotatingFile(plan.log_dir / "supervisor.log"), SystemClock())
        asyncio.run(supervise(plan, events))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
