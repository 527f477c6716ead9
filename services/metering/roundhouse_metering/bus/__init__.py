"""What metering takes from the bus."""
