"""Webhooks to signing apps: platform events, the endpoints that receive them, and deliveries.

platform_events   store an event, and one delivery for each endpoint that receives it
catalog, patterns, payloads   the types of events, how endpoints choose them, and their content
endpoints, target_urls, targets, signing_secrets   the endpoints, and their addresses and secrets
dispatcher, claims, attempts, responses, retry_schedule, signatures   send deliveries, and retry
deliveries, health, cleanup   resend, disable what fails for days, delete what is old
"""
