"""Puts the root of the project on the path, so that `tests.support` can be imported, and registers its fixtures."""

import importlib.util
import sys
from pathlib import Path

_ROOT = str(Path(__file__).resolve().parent.parent)
if _ROOT not in sys.path:
    sys.path.insert(0, _ROOT)

pytest_plugins = [
    name
    for name in (
        "tests.support.nats",
        "tests.support.databases",
        "tests.support.redis_server",
        "tests.support.tls_contexts",
    )
    if importlib.util.find_spec(name)
]
