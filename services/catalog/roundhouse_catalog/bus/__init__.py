"""The catalog on the bus: the buckets it keeps equal to its record."""
