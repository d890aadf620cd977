"""Use the shared fixtures of a demo hub."""

from __future__ import annotations

from tests.hub_fixtures import connection as connection
from tests.hub_fixtures import hub_demo as hub_demo
from tests.hub_fixtures import signing_app as signing_app
