"""Files that an integration sends itself, in place of their URLs."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class AttachedFile:
    """A file of a message, for integrations with `attaches_files`."""

    name: str
    content_type: str
    content: bytes = field(repr=False)
