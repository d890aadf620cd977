"""Webhooks of providers: kept as they came in, then settled.

receipts    verified and stored, once each       settle      facts read and applied, in batches
"""
