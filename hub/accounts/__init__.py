"""Users, sign-ins, API keys, sources and their limits."""
