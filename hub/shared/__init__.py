"""Services for several use cases: audit log, idempotency, tokens, integration instances, checks."""
