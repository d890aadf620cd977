"""Telegram: a bot that writes to people, groups and channels."""

from __future__ import annotations

from hub.integrations.telegram.integration import Telegram as Telegram
