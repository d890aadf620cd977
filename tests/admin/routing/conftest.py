"""A hub with the connections of the demo, for all tests of the Routing page."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def demo_hub(demo_data: None) -> None:
    """Add the demo's connections."""
