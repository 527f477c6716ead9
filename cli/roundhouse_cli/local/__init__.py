"""A whole Roundhouse on this machine: its directory, secrets, configuration, start and stop."""
