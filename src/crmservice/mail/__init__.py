"""What a message is: pure functions from bytes to values (no database, no network, no framework)."""
