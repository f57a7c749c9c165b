"""Reports from secret scanners: who signed them, and how they're answered."""

GITHUB = "https://api.github.com/meta/public_keys/secret_scanning"
"""Where GitHub publishes the public keys of its secret scanning."""
