"""Store and fill the account's content templates.

https://www.twilio.com/docs/content/content-api-resources
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from hub.simulator.errors import RestError
from hub.simulator.file import File

PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")
FORBIDDEN_IN_VARIABLES = re.compile(r"[\n\r\t]| {5}")  # by Meta
STATES = ("unsubmitted", "received", "pending", "approved", "rejected", "paused", "disabled")
# state of a template → error code of messages that use it
ERROR_BY_STATUS = {"rejected": 63040, "paused": 63041, "disabled": 63042}
SCHEMA = """
CREATE TABLE IF NOT EXISTS contents (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, sid TEXT NOT NULL UNIQUE, value TEXT NOT NULL);
"""


@dataclass(frozen=True)
class Template:
    """One template in one language; times are Unix seconds."""

    friendly_name: str
    language: str
    types: dict[str, dict[str, Any]]
    # each with a sample that replaces a missing value
    variables: dict[str, str] = field(default_factory=dict)
    name: str = ""  # under which it was submitted to WhatsApp
    category: str = ""
    status: str = "unsubmitted"
    reason: str = ""  # of its rejection
    allow_category_change: bool = True
    sid: str = field(default_factory=lambda: "HX" + secrets.token_hex(16))
    created: float = field(default_factory=time.time)
    updated: float = field(default_factory=time.time)

    @property
    def kind(self) -> str:
        return next(iter(self.types), "")

    @property
    def body(self) -> str:
        content = self.types.get(self.kind, {})
        return str(content.get("body") or content.get("title") or "")

    @property
    def placeholders(self) -> set[str]:
        """Return the names of all variables that occur in the template."""
        return set(PLACEHOLDER.findall(json.dumps(self.types)))


@dataclass(frozen=True)
class Filled:
    """A template filled with its variables: `buttons` as JSON, `error` an error code or 0."""

    body: str
    buttons: str
    error: int


class Templates:
    """The templates of the account, newest first."""

    def __init__(self, file: File) -> None:
        self._file = file
        file.prepare(SCHEMA)

    def all(self) -> list[Template]:
        return [
            Template(**json.loads(row["value"]))
            for row in self._file.rows("SELECT value FROM contents ORDER BY seq DESC")
        ]

    def get(self, sid: str) -> Template | None:
        rows = self._file.rows("SELECT value FROM contents WHERE sid = ?", (sid,))
        return Template(**json.loads(rows[0]["value"])) if rows else None

    def save(self, *templates: Template) -> None:
        """Add templates, or replace those with the same SID."""
        sql = (
            "INSERT INTO contents (sid, value) VALUES (?, ?) ON CONFLICT (sid) DO UPDATE SET value"
            " = excluded.value"
        )
        with self._file.writing() as db:
            for template in templates:
                db.execute(sql, (template.sid, json.dumps(asdict(template))))

    def change(self, template: Template, **changes: Any) -> Template:
        """Store a template with these changes and return the new version."""
        changed = replace(template, **changes, updated=time.time())
        self.save(changed)
        return changed

    def delete(self, sid: str) -> None:
        with self._file.writing() as db:
            db.execute("DELETE FROM contents WHERE sid = ?", (sid,))


def variables(text: str) -> dict[str, str]:
    """Read `ContentVariables`. Raises RestError 21656 unless it is a JSON object of strings."""
    try:
        values = json.loads(text or "{}")
    except ValueError:
        raise RestError(21656) from None
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise RestError(21656)
    return values


def fill(template: Template, given_values: Mapping[str, str]) -> Filled:
    """Put variables into a template. Samples replace the missing ones."""
    values = {**template.variables, **given_values}

    def substitute(text: str) -> str:
        return PLACEHOLDER.sub(lambda slot: values.get(slot[1], ""), text)

    actions = template.types.get(template.kind, {}).get("actions") or []
    buttons = [
        {
            name: substitute(str(action[name]))
            for name in ("title", "id", "url", "phone")
            if action.get(name)
        }
        for action in actions
    ]
    error = 0
    if set(given_values) - template.placeholders or template.placeholders - set(values):
        error = 63028
    elif any(FORBIDDEN_IN_VARIABLES.search(value) for value in given_values.values()):
        error = 63013
    elif not all(value.strip() for value in given_values.values()):
        error = 63021
    return Filled(substitute(template.body), json.dumps(buttons) if buttons else "", error)
