"""The optional request log: one JSON line per admitted request, redacted, written by a thread of its own."""
