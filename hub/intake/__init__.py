"""Webhooks of providers: stored as they arrive, then processed.

callbacks    verified and stored, once each       settle      facts read and applied, in batches
"""
