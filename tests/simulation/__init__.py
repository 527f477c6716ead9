"""The real scheduler, agents and router tables on a seeded virtual-time loop."""
