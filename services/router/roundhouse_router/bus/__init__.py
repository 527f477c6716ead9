"""The router on the bus: what it hears of the control plane, and what it answers."""
