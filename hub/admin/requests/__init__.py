"""Pages of signing requests, their signers, and links that ask for confirmation."""
