"""Simulate the services of Apprise: one receiver for all of them, and a view of what it received.

api              the receiver             page   the page and its routes
scripted_faults  tokens that fail
"""
