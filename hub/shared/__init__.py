"""Services that several use cases share: audit log, idempotency, tokens, running integrations."""
