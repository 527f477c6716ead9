"""What `scripts/bench NAME` runs."""
