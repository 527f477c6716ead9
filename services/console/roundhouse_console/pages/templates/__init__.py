"""Templates of deployments: what operators settle once."""
