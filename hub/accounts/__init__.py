"""Who may do what, with which connections: users, sign-ins, API keys, connections."""
