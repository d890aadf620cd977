"""Addresses under /api/ that need no API key; every other route needs the scope it declares."""

from __future__ import annotations

# endpoints: the documentation, and files, whose links are secrets of their own
PUBLIC = frozenset({"api_document.openapi", "api_document.docs", "lending.files.lend"})
