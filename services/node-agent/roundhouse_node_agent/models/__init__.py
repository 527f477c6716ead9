"""Where model files are on this node."""
