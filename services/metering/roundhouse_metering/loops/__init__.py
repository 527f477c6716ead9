"""What metering does by itself from time to time."""
