"""What a host has: cores and memory within its limits, and accelerators by vendor."""
