"""Simulate SendGrid: its API for sending, and its signed events. The mail page shows the emails.

api     mail send and scopes     scripted_faults  addresses that fail on purpose
letter  a request as an email    events           the Event Webhook
templates  dynamic templates

Written from Twilio's documentation alone:
https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send
"""
