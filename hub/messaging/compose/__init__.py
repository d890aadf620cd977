"""Compose messages: plan, render and store them, and cancel or replace them."""
