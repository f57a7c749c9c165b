"""The audit log: its lines and their chain, where it starts and ends in Redis, and what contradicts it."""
