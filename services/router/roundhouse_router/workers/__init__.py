"""Several router processes on one port: a parent that keeps them running, and what they show and leave together."""
