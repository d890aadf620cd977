"""Email over SMTP, through the admin's own mail server or a mail provider."""

from __future__ import annotations

from hub.integrations.smtp.integration import Smtp as Smtp
