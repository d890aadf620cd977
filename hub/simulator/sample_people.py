"""Names of the people who press and write in the views by default; any other name works as well."""

from __future__ import annotations

PEOPLE = ("Dana Whitfield", "Tom Okafor", "Priya Nair")
