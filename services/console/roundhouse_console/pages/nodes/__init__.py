"""Nodes and devices: the fleet, one node, what is installed and stored on them."""
