"""Use the shared fixtures of a demo hub, and the server in place of a provider."""

from __future__ import annotations

from tests.hub_fixtures import connection as connection
from tests.hub_fixtures import hub_demo as hub_demo
from tests.integrations.http_recorder import http_recorder as http_recorder
