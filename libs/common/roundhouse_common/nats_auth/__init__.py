"""Who may connect to NATS: keys, signed claims (decentralised JWT), credentials files. No I/O but the files' text."""
