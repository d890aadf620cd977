"""A hub with the connections of the demo, for all tests of the Routing page."""

from __future__ import annotations

import pytest
from flask import Flask

from hub.connections import demo


@pytest.fixture(autouse=True)
def demo_hub(app: Flask) -> None:
    """Add the demo's connections."""
    with app.app_context():
        demo.prepare()
