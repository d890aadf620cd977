"""Handlers of Acme for Signpost."""
