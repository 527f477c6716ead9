"""What is derived from the registry: subjects, stream configuration, NATS permissions, the AsyncAPI document."""
