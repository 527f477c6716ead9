"""Inference engines: how each is started, asked for readiness and load, and how its failures read."""
