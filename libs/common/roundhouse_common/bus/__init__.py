"""The bus: publish, consume, buckets, projections, request and reply, dead letters.

`api.py` says what callers may rely on. `core.py` keeps those promises on top of a `Wire` (`wire.py`), of which there
are two: NATS (`nats_wire.py`) and memory (`memory_wire.py`). One behaviour suite runs on both.
"""

from roundhouse_common import lean  # noqa: F401 - before anything loads structlog or nats-py
