"""Apprise: posts through the services that the library Apprise supports."""

from __future__ import annotations

from hub.integrations.apprise.integration import Apprise as Apprise
