"""Slack: an incoming webhook or a bot."""

from __future__ import annotations

from hub.integrations.slack.integration import Slack as Slack
