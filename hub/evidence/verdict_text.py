"""Describe the result of a verification for people."""

from __future__ import annotations

from hub.evidence.verification import Verdict


def describe(verdict: Verdict) -> list[str]:
    """Return the lines that say whether a file is intact, or where it was changed."""
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
