"""Emails through SendGrid."""

from hub.integrations.sendgrid.integration import SendGrid

__all__ = ["SendGrid"]
