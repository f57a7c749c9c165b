"""The audit log: its lines and their chain, where it begins and ends in Redis, and what contradicts it."""
