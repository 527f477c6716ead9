"""Puts the root of the project on the path, so that `tests.support` can be imported, and registers its fixtures."""

import gc
import importlib.util
import os
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes says how much else runs beside it.
settings.register_profile("roundhouse", deadline=None)
settings.load_profile("roundhouse")

_ROOT = str(Path(__file__).resolve().parent.parent)
if _ROOT not in sys.path:
    sys.path.insert(0, _ROOT)

# A build of scripts/compile: what is tested of the router is then that. Before anything else of it is imported. A test
# that reaches into it in ways that only Python allows is skipped if `compiled.verdict().is_compiled`.
if build := os.environ.get("ROUNDHOUSE_TEST_COMPILED"):
    from roundhouse_router import compiled

    compiled.decide({"ROUNDHOUSE_ROUTER_COMPILED": "required", "ROUNDHOUSE_ROUTER_COMPILED_DIR": build})

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


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect the tests without the garbage collector: what they are made of lives until the end, and is a lot."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()
