"""Pages of contacts: one contact, opt-outs, consents, exports and erasure."""
