"""These tests play on the common stage."""

from __future__ import annotations

from tests.stage import connection as connection
from tests.stage import hub_demo as hub_demo
