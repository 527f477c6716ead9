"""`python -m roundhouse_node_agent`: run the agent, or `stop-engines` of one that is gone."""

import argparse
import sys
from pathlib import Path

import roundhouse_common.starting  # noqa: F401 - before what it makes quick to load
from roundhouse_common.runtime import SystemClock
from roundhouse_node_agent.domain.errors import StateDirUnusable
from roundhouse_node_agent.main import EXIT_STATE_DIR, main
from roundhouse_node_agent.stop_engines import stop_engines

_WITHIN_S = 20.0


def _command(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="roundhouse_node_agent",
        description="Without a command: run the agent; settings come from the environment.",
    )
    commands = parser.add_subparsers(dest="command")
    stop = commands.add_parser("stop-engines", help="end every engine of a state directory whose agent is gone")
    stop.add_argument("--state-dir", type=Path, required=True)
    stop.add_argument("--within-s", type=float, default=_WITHIN_S, help="after this long, engines are killed")
    options = parser.parse_args(arguments)
    if options.command is None:
        return main()
    try:
        count = stop_engines(options.state_dir.absolute(), within_s=options.within_s, clock=SystemClock(), say=_say)
    except StateDirUnusable as error:
        sys.stderr.write(f"node-agent: {error.message}\n")
        return EXIT_STATE_DIR
    _say(f"{count} engines stopped" if count else "no engine was running")
    return 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(_command(sys.argv[1:]))
