"""Reports of secret scanners: whose signature they have, and what is answered."""

GITHUB = "https://api.github.com/meta/public_keys/secret_scanning"
"""Where GitHub publishes the public keys of its secret scanning."""
