"""Imported by the router's program before all else of the router: decides whether its hot path runs compiled."""

import os

from roundhouse_router import compiled

compiled.decide(os.environ)
