"""List the endpoints under /api/ that need no API key; all others need the scope they declare."""

from __future__ import annotations

# the documentation, and files, whose links are themselves secret
PUBLIC = frozenset({"api_document.openapi", "api_document.docs", "lending.files.serve_file"})
