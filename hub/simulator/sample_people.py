"""Default names of the people who act in the simulator's views. Any other name works as well."""

from __future__ import annotations

PEOPLE = ("Dana Whitfield", "Tom Okafor", "Priya Nair")
