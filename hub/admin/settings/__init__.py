"""Pages of settings: account, users, API keys, sources, opt-out keywords."""
