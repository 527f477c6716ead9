"""Clock, randomness and ids come in as arguments; only roundhouse_common/runtime.py reads the real ones.

Exempt are the programs that run beside an engine with nothing but the standard library.
"""

import ast
import re
from pathlib import Path

from scripts.checks.sources import PRODUCT, calls, python_files

__all__ = ["check"]

_FORBIDDEN = re.compile(
    r"time\.(time|time_ns|monotonic|monotonic_ns|perf_counter|perf_counter_ns)"
    r"|datetime\.(datetime\.)?(now|utcnow|today)|datetime\.date\.today"
    r"|random\.(?!Random$)\w+"
    r"|uuid\.uuid\d|uuid_utils\.(compat\.)?uuid\d"
)
_EXEMPT = re.compile(
    r"libs/common/roundhouse_common/runtime\.py"
    r"|services/node-agent/roundhouse_node_agent/(processes/shim|environments/guard|engines/\w+_runner)\.py"
)


def check(root: Path) -> list[str]:
    findings = []
    for path in python_files(root, PRODUCT):
        name = path.relative_to(root).as_posix()
        if path.suffix != ".py" or _EXEMPT.fullmatch(name):
            continue
        for line, call in calls(ast.parse(path.read_text(encoding="utf-8"), name)):
            if _FORBIDDEN.fullmatch(call):
                findings.append(f"{name}:{line}: {call}() reads the real world; take a Clock, Ids or random.Random")
    return findings
