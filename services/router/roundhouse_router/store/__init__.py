"""What the router keeps on disk: the usage spool and the last known routing table."""
