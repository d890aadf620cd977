"""Microsoft Teams: posts through a Workflows webhook."""

from __future__ import annotations

from hub.integrations.teams.integration import Teams as Teams
