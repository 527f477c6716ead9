"""Traffic: routes, limits, providers, and what flows."""
