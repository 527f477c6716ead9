"""What every Roundhouse service shares: contracts, bus, service skeleton, database kit, auth, telemetry."""
