"""Simulate a signing app that receives webhooks, and verifies them with the reference library.

    api              the addresses that receive webhooks
    webhook_log      the log of requests, and the secrets that verify them
    scripted_faults  addresses that fail on purpose
    view             the page and its routes

Written from the specification and its library for Python:
https://github.com/standard-webhooks/standard-webhooks
"""
