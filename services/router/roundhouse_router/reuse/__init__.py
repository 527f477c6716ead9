"""Answers that are given again: the response cache, equal requests in flight, and `Idempotency-Key` (docs/reuse.md).

`assembly.build_reuse` makes what a router needs, in this process or with Redis; `api.reusing` has it on the hot path.
"""
