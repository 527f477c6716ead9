"""Where the command begins. Any Python from 3.6 on can read this file: an old one must be told, not crash."""

import importlib
import sys

OLDEST = (3, 11)


def python_problem(version: "tuple[object, ...]") -> str:
    """Return what is wrong with this Python, or nothing."""
    if version[:2] >= OLDEST:
        return ""
    found = ".".join(str(part) for part in version[:3])
    wanted = ".".join(str(part) for part in OLDEST)
    return f"roundhouse: Python {wanted} or newer is needed; this is {found} ({sys.executable})."


def main() -> int:
    """Run the command."""
    problem = python_problem(sys.version_info)
    if problem:
        print(problem, file=sys.stderr)
        return 1
    return int(importlib.import_module("roundhouse_cli.main").main())
