"""The ledger's table and queries. Functions take a session; the caller owns the transaction."""
