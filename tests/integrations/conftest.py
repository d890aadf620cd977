"""These tests play on the common stage."""

from __future__ import annotations

from tests.hub_fixtures import connection as connection
from tests.hub_fixtures import hub_demo as hub_demo
