"""Pages of connections: set-up, rules, templates, team posts and provider health."""
