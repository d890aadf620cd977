"""Describe the entries of evidence as lines of a table, for the page and the PDF."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hub.admin.view.filters import phone
from hub.admin.view.status_badges import channel_title
from hub.evidence.pdf import PdfLine
from hub.lib.text import isolate

Entry = Mapping[str, Any]
ERASED = "[removed]"
BY = {
    "app": "Signing app",
    "provider": "Provider",
    "recipient": "Recipient",
    "user": "User",
    "signpost": "Signpost",
}


@dataclass(frozen=True)
class EvidenceLine:
    """One entry for people: its time, a title, a text and who recorded it."""

    at: datetime | None
    title: str
    text: str
    by: str


def pdf_lines(evidence: Mapping[str, Any]) -> list[PdfLine]:
    """Return the lines of the PDF of evidence, with times in UTC."""
    return [
        PdfLine(f"{line.at:%Y-%m-%d %H:%M:%S}" if line.at else "", line.title, line.text, line.by)
        for line in EntryDescriptions(evidence).lines()
    ]


class EntryDescriptions:
    """Describes entries with the values that the evidence still has."""

    def __init__(self, evidence: Mapping[str, Any]) -> None:
        self._values: Mapping[str, Any] = evidence["values"]
        self._entries = [item["entry"] for item in evidence["entries"]]
        self._recipients = {
            entry["message"]: self._value(entry, "recipient")
            for entry in self._entries
            if entry["kind"] == "message.created"
        }

    def lines(self) -> list[EvidenceLine]:
        """Return all entries, oldest first."""
        lines = [self._line(entry) for entry in self._entries]
        return sorted(lines, key=lambda line: (line.at is not None, line.at or _NEVER))

    def _line(self, entry: Entry) -> EvidenceLine:
        describe = _DESCRIPTIONS.get(entry["kind"])
        title, text = describe(self, entry) if describe else (str(entry["kind"]), "")
        by = str(entry.get("actor") or BY.get(entry["by"], entry["by"]))
        at = datetime.fromisoformat(entry["at"]) if entry.get("at") else None
        return EvidenceLine(at, title, text, by)

    def _value(self, entry: Entry, name: str) -> str:
        """Return a value as text: '' if the entry never had one, or that it was removed."""
        part = entry.get(name)
        if not isinstance(part, Mapping):
            return ""
        value = self._values.get(str(part.get("sha256")), {}).get("value", ERASED)
        return isolate(phone(value)) if isinstance(value, str) else str(value)

    def _text(self, entry: Entry) -> str:
        """Return the text of a message, or whether it is no longer stored."""
        part = entry.get("content")
        if not isinstance(part, Mapping):
            return "Without a hash of the text, because an older version stored it."
        content = self._values.get(part["sha256"], {}).get("value")
        if not isinstance(content, Mapping):
            return f"Text no longer stored. SHA-256 {part['sha256']}"
        return isolate(str(content.get("text") or content.get("subject") or ""))

    def _recipient(self, entry: Entry) -> str:
        return self._recipients.get(str(entry.get("message")), "")

    # ── Kinds ─────────────────────────────────────────────────────────────────────────────────────
    def request(self, entry: Entry) -> tuple[str, str]:
        title = self._value(entry, "title") or "Without a title"
        return "Request stored", f"{title} ({entry['external_id']})"

    def person(self, entry: Entry) -> tuple[str, str]:
        parts = [self._value(entry, name) for name in ("name", "email", "mobile_number")]
        return f"{str(entry['role']).capitalize()} named", ", ".join(filter(None, parts)) or ERASED

    def event(self, entry: Entry) -> tuple[str, str]:
        verb = "canceled" if entry["kind"] == "event.canceled" else "received"
        name = f", {entry['external_id']}" if entry.get("external_id") else ""
        return f"Event {verb}", f"{entry['type']}{name}"

    def skipped(self, entry: Entry) -> tuple[str, str]:
        reasons = [
            f"{item.get('signer') or 'team'}: {item.get('step')}, {item.get('reason')}"
            for item in entry["skipped"]
            if isinstance(item, Mapping)
        ]
        return "Not planned", "; ".join(reasons)

    def created(self, entry: Entry) -> tuple[str, str]:
        template = entry.get("template") or {}
        version = f", version {template['version']} of {template['name']}" if template else ""
        connection = entry["connection"].get("title", "")
        follows = ", follows an earlier message" if entry.get("follows") else ""
        recipient = self._value(entry, "recipient") or ERASED
        if name := self._value(entry, "recipient_name"):
            recipient = f"{name} ({recipient})"
        title = f"{channel_title(entry['channel'])} to {recipient}"
        return title, f"Over {connection}{version}{follows}. {self._text(entry)}"

    def attempt(self, entry: Entry) -> tuple[str, str]:
        provider_id = f" as {entry['provider_id']}" if entry.get("provider_id") else ""
        code = f", code {entry['code']}" if entry.get("code") else ""
        reason = self._value(entry, "reason")
        outcome = str(entry.get("outcome") or "without a result").capitalize()
        title = f"Attempt {entry['attempt']} to {self._recipient(entry)}"
        return title, " ".join(filter(None, (f"{outcome}{provider_id}{code}.", reason)))

    def status(self, entry: Entry) -> tuple[str, str]:
        reported = str(entry["provider_status"])
        status = str(entry.get("status") or reported)
        word = f" ({reported})" if reported != status and entry["by"] == "provider" else ""
        code = f"Code {entry['code']}." if entry.get("code") else ""
        title = f"{status.capitalize()}{word}: {self._recipient(entry)}"
        return title, " ".join(filter(None, (code, self._value(entry, "reason"))))

    def feedback(self, entry: Entry) -> tuple[str, str]:
        code = f"Code {entry['code']}." if entry.get("code") else ""
        verb = str(entry["kind"]).partition(".")[2].capitalize()
        return f"{verb}: {self._recipient(entry)}", code

    def reply(self, entry: Entry) -> tuple[str, str]:
        return f"Reply from {self._value(entry, 'sender') or ERASED}", self._text(entry)

    def consent(self, entry: Entry) -> tuple[str, str]:
        verb = "given" if entry["kind"] == "consent.given" else "refused"
        channel = channel_title(entry["channel"]) if entry.get("channel") else "every channel"
        return f"Consent {verb}", f"For {channel}, recorded through {entry['through']}."

    def opt_out(self, entry: Entry) -> tuple[str, str]:
        if entry["kind"] == "opt_out.lifted":
            return "Opt-out removed", self._value(entry, "explanation")
        channel = channel_title(entry["channel"]) if entry.get("channel") else "every channel"
        return "Opted out", f"Of {channel}: {entry['cause']} {entry.get('code') or ''}".strip()

    def action(self, entry: Entry) -> tuple[str, str]:
        return str(entry["action"]).replace(".", " ").replace("_", " ").capitalize(), ""

    def erased(self, entry: Entry) -> tuple[str, str]:
        return "Person erased", "The values about the person were removed. The hashes stay."

    def unreadable(self, entry: Entry) -> tuple[str, str]:
        return "Unreadable entries", f"The row {entry['id']} is damaged in the database."


_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_DESCRIPTIONS: dict[str, Callable[[EntryDescriptions, Entry], tuple[str, str]]] = {
    "request.stored": EntryDescriptions.request,
    "person.stored": EntryDescriptions.person,
    "event.received": EntryDescriptions.event,
    "event.canceled": EntryDescriptions.event,
    "event.skipped": EntryDescriptions.skipped,
    "message.created": EntryDescriptions.created,
    "message.attempt": EntryDescriptions.attempt,
    "message.status": EntryDescriptions.status,
    "message.bounced": EntryDescriptions.feedback,
    "message.complained": EntryDescriptions.feedback,
    "message.unsubscribed": EntryDescriptions.feedback,
    "reply.received": EntryDescriptions.reply,
    "consent.given": EntryDescriptions.consent,
    "consent.refused": EntryDescriptions.consent,
    "opt_out.added": EntryDescriptions.opt_out,
    "opt_out.lifted": EntryDescriptions.opt_out,
    "action": EntryDescriptions.action,
    "values.erased": EntryDescriptions.erased,
    "entries.unreadable": EntryDescriptions.unreadable,
}
