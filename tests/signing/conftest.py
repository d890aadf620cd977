"""These tests play on the common stage, some with roofs where many look."""

from __future__ import annotations

from tests.pigeon import loft as loft
from tests.roofs import roof as roof
from tests.stage import connection as connection
from tests.stage import hub_demo as hub_demo
from tests.stage import served as served
from tests.stage import signing_app as signing_app
