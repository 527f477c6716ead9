"""Answers that are given again: the response cache, equal requests in flight, and `Idempotency-Key`."""
