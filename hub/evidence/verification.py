"""Verify a file of evidence: whether it is intact, or where it was changed.

It needs nothing but the file and the public keys. docs/evidence.md describes each step.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from hub.core.quotes import escape_invisible
from hub.evidence import hash_chain, signed_notes
from hub.evidence.signed_notes import InvalidNote, VerifierKey
from hub.lib import canonical_json, commitments
from hub.shared.sentences import ENGLISH, sentence

FIELDS = {"about", "entries", "format", "note", "values"}
SALT = re.compile(r"[0-9a-f]{32}")
MAX_FINDINGS = 50
MAX_SHOWN = 40  # characters of a part of the file


@dataclass(frozen=True)
class Finding:
    """Something in a file that was changed. Its text is English."""

    key: str  # of its sentence, without `evidence_`
    values: Mapping[str, str | int] = field(default_factory=dict)

    def describe(self, locale: str) -> str:
        """Return the finding as a sentence in the language of `locale`."""
        return sentence(f"evidence_{self.key}", locale, **self.values)

    def __str__(self) -> str:
        return self.describe(ENGLISH)


NOT_EVIDENCE = Finding("not_exported")
EMPTY = Finding("empty")
# people hold the PDF, which only shows the evidence; nothing says that it was changed
PDF = (Finding("pdf"), Finding("pdf_remedy"))
PDF_MARK = b"%PDF-"


class Malformed(ValueError):
    """The file does not have the form of evidence."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(str(finding))
        self.finding = finding


@dataclass
class Verdict:
    """The result of a verification. It is intact if there are no findings."""

    findings: list[Finding] = field(default_factory=list)  # where it was changed
    key: VerifierKey | None = None  # that signed it
    about: dict[str, Any] = field(default_factory=dict)
    entries: int = 0
    kept: int = 0  # values in the file
    removed: int = 0  # hashes without a value, because it was erased or is no longer stored

    @property
    def is_intact(self) -> bool:
        return not self.findings

    @property
    def is_pdf(self) -> bool:
        return tuple(self.findings) == PDF


def verify(data: bytes, keys: Sequence[VerifierKey]) -> Verdict:
    """Verify the bytes of a file. It never raises for any content."""
    verdict = Verdict()
    if data.startswith(PDF_MARK):
        return Verdict(list(PDF))
    try:
        evidence = _parse(data)
        verdict.findings += _check_form(evidence, data)
        links, findings = _check_chain(evidence)
        verdict.findings += findings
        verdict.findings += _check_values(evidence, verdict)
        verdict.findings += _check_note(evidence, links, keys, verdict)
    except Malformed as error:
        verdict.findings.append(error.finding)
    except (ArithmeticError, LookupError, TypeError, ValueError, RecursionError):
        verdict.findings.append(NOT_EVIDENCE)
    verdict.findings = verdict.findings[:MAX_FINDINGS]
    return verdict


def _parse(data: bytes) -> dict[str, Any]:
    if not data:
        raise Malformed(EMPTY)
    try:
        evidence = json.loads(data.decode(), parse_float=_refuse, parse_constant=_refuse)
    except UnicodeDecodeError as error:
        raise Malformed(Finding("not_utf8", {"position": error.start + 1})) from None
    except json.JSONDecodeError as error:
        position = len(error.doc[: error.pos].encode()) + 1
        raise Malformed(Finding("not_json", {"position": position})) from None
    if not isinstance(evidence, dict) or evidence.get("format") != hash_chain.FORMAT:
        raise Malformed(NOT_EVIDENCE)
    shapes = {"about": dict, "entries": list, "note": str, "values": dict}
    for name, shape in shapes.items():
        if not isinstance(evidence.get(name), shape):
            raise Malformed(Finding("part_missing", {"name": name}))
    return evidence


def _refuse(text: str) -> NoReturn:
    raise Malformed(Finding("bad_number", {"number": _shown(text)}))


def _check_form(evidence: dict[str, Any], data: bytes) -> Iterator[Finding]:
    """Find bytes that do not change the parsed values, such as spaces or repeated names."""
    for name in sorted(evidence.keys() - FIELDS):
        yield Finding("part_unknown", {"name": _shown(name)})
    canonical = canonical_json.encode(evidence)
    if canonical != data:
        pairs = zip(canonical, data, strict=False)
        shorter = min(len(canonical), len(data))
        position = next((at for at, (one, two) in enumerate(pairs) if one != two), shorter)
        yield Finding("other_form", {"position": position + 1})


def _check_chain(evidence: dict[str, Any]) -> tuple[list[bytes], list[Finding]]:
    """Return the hash of each entry, and the entries that do not fit the hash beside them.

    Each entry is compared with the stored hash of the one before it, so that one change does not
    show as a change of all later entries.
    """
    links: list[bytes] = []
    findings: list[Finding] = []
    link = before = hash_chain.first_link(evidence["about"])
    for number, item in enumerate(evidence["entries"], 1):
        if not isinstance(item, dict) or item.keys() != {"entry", "hash"}:
            raise Malformed(Finding("entry_form", {"number": number}))
        entry = item["entry"]
        stored = item["hash"]
        if not isinstance(entry, dict) or not isinstance(stored, str):
            raise Malformed(Finding("entry_form", {"number": number}))
        link = hash_chain.next_link(link, entry)
        links.append(link)
        if hash_chain.next_link(before, entry).hex() != stored and link.hex() != stored:
            findings.append(Finding("entry_changed", _place(number, entry)))
        before = bytes.fromhex(stored) if SHA256.fullmatch(stored) else link
    return links, findings


SHA256 = re.compile(r"[0-9a-f]{64}")


def _place(number: int, entry: dict[str, Any]) -> dict[str, str | int]:
    return {
        "number": number,
        "kind": _shown(entry.get("kind")),
        "at": _shown(entry.get("at")),
    }


def _shown(value: Any) -> str:
    """Return a part of the file for a sentence, whatever it contains."""
    text = "" if value is None else str(value)
    return escape_invisible(text[:MAX_SHOWN]) or "–"


def _check_values(evidence: dict[str, Any], verdict: Verdict) -> Iterator[Finding]:
    """Compare each value with its hash in an entry."""
    places = {
        part["sha256"]: {**_place(number, item["entry"]), "name": _shown(name)}
        for number, item in enumerate(evidence["entries"], 1)
        for name, part in item["entry"].items()
        if isinstance(part, dict) and part.keys() == {"sha256"}
    }
    values = evidence["values"]
    verdict.entries = len(evidence["entries"])
    order = {hashed: position for position, hashed in enumerate(places)}  # of the entries
    for hashed, item in sorted(values.items(), key=lambda pair: order.get(pair[0], len(order))):
        place = places.get(hashed)
        if place is None:
            yield Finding("value_unknown", {"hash": _shown(hashed[:16])})
        elif not _is_value(item):
            yield Finding("value_form", place)
        elif "value" in item:
            verdict.kept += 1
            if commitments.commit(bytes.fromhex(item["salt"]), item["value"]).hex() != hashed:
                yield Finding("value_changed", place)
    verdict.removed = len(places) - verdict.kept


def _is_value(item: Any) -> bool:
    return (
        isinstance(item, dict)
        and {"salt"} <= item.keys() <= {"salt", "value"}
        and isinstance(item["salt"], str)
        and SALT.fullmatch(item["salt"]) is not None
    )


def _check_note(
    evidence: dict[str, Any],
    links: Sequence[bytes],
    keys: Sequence[VerifierKey],
    verdict: Verdict,
) -> Iterator[Finding]:
    """Verify the signature, and compare what was signed with the content of the file."""
    try:
        text, key = signed_notes.open_note(evidence["note"], keys)
    except InvalidNote as error:
        yield Finding(error.key)
        text = evidence["note"].rpartition("\n\n")[0] + "\n"
        key = None
    if evidence["note"].count(f"\n{signed_notes.MARK}") != 1:
        yield Finding("signature_count")
    about = evidence["about"]
    name = key.name if key else text.split("\n")[1]
    head = links[-1] if links else hash_chain.first_link(about)
    expected = hash_chain.note_text(name, about, len(links), head, evidence["values"])
    signed_lines = text.split("\n")
    expected_lines = expected.split("\n")
    if len(signed_lines) != len(expected_lines):
        yield Finding("note_lines")
    for part, signed, found in zip(_PARTS, signed_lines, expected_lines, strict=False):
        if signed != found:
            yield Finding(part)
    verdict.key = key
    verdict.about = about


_PARTS = (
    "signed_format",
    "signed_key",
    "signed_request",
    "signed_time",
    "signed_status",
    "signed_entries",
    "signed_values",
)
