"""Describe the result of a verification for people."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from hub.core.quotes import escape_invisible
from hub.evidence.verification import Verdict
from hub.shared.sentences import format_moment, has_sentence, sentence


def describe(verdict: Verdict) -> list[str]:
    """Return the lines of a command: whether a file is intact, or where it was changed."""
    if verdict.is_pdf:
        return [str(finding) for finding in verdict.findings]
    if not verdict.is_intact:
        return ["The file is not intact.", *(f"- {finding}" for finding in verdict.findings)]
    about = verdict.about
    request = about["request"]
    lines = [
        "The file is intact.",
        f"Request {request['id']} ({request['external_id']}), {request['state']}",
        f"Exported by {about['recorded_by']} at {about['exported_at']}, {about['status']}",
        f"{verdict.entries:,} entries, {verdict.kept:,} values",
        f"Signed with {verdict.key}",
    ]
    if verdict.removed:
        lines.append(f"{verdict.removed:,} values were erased or are no longer stored.")
    return lines


def describe_for_visitor(verdict: Verdict, locale: str) -> list[str]:
    """Return the lines about a file in a language: what it is, or where it was changed."""
    if not verdict.is_intact:
        return [finding.describe(locale) for finding in verdict.findings]
    about = verdict.about
    request = about["request"]
    state = f"request_{request.get('state')}"
    lines = [
        sentence(
            "evidence_request",
            locale,
            id=_shown(request.get("external_id")),
            status=sentence(state, locale) if has_sentence(state) else _shown(request.get("state")),
        ),
        sentence(
            "evidence_exported",
            locale,
            hub=_shown(about.get("recorded_by")),
            time=_format_time(about.get("exported_at"), locale),
        ),
    ]
    if about["status"] == "interim":
        lines.append(sentence("evidence_interim", locale))
    lines.append(sentence("evidence_entries", locale, count=verdict.entries))
    if verdict.removed:
        lines.append(sentence("evidence_removed", locale, count=verdict.removed))
    return lines


def _shown(value: Any) -> str:
    """Return a part of a file. Keys are trusted, but their holder may have signed anything."""
    return escape_invisible("" if value is None else str(value)) or "–"


def _format_time(value: Any, locale: str) -> str:
    try:
        return format_moment(datetime.fromisoformat(str(value)), locale)
    except ValueError:
        return _shown(value)
