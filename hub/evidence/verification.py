"""Verify a file of evidence: whether it is intact, or where it was changed.

It needs nothing but the file and the public keys. docs/evidence.md describes each step.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from hub.core.quotes import quoted
from hub.evidence import hash_chain, signed_notes
from hub.evidence.signed_notes import InvalidNote, VerifierKey
from hub.lib import canonical_json, commitments

FIELDS = {"about", "entries", "format", "note", "values"}
SALT = re.compile(r"[0-9a-f]{32}")
MAX_FINDINGS = 50
NOT_EVIDENCE = "The file is no evidence that Signpost exported."


class Malformed(ValueError):
    """The file does not have the form of evidence."""


@dataclass
class Verdict:
    """The result of a verification. It is intact if there are no findings."""

    findings: list[str] = field(default_factory=list)  # where it was changed, as sentences
    key: VerifierKey | None = None  # that signed it
    about: dict[str, Any] = field(default_factory=dict)
    entries: int = 0
    kept: int = 0  # values in the file
    removed: int = 0  # hashes without a value, because it was erased or is no longer stored

    @property
    def is_intact(self) -> bool:
        return not self.findings


def verify(data: bytes, keys: Sequence[VerifierKey]) -> Verdict:
    """Verify the bytes of a file. It never raises for any content."""
    verdict = Verdict()
    try:
        evidence = _parse(data)
        verdict.findings += _check_form(evidence, data)
        links, findings = _check_chain(evidence)
        verdict.findings += findings
        verdict.findings += _check_values(evidence, verdict)
        verdict.findings += _check_note(evidence, links, keys, verdict)
    except Malformed as error:
        verdict.findings.append(str(error))
    except (ArithmeticError, LookupError, TypeError, ValueError, RecursionError):
        verdict.findings.append(NOT_EVIDENCE)
    verdict.findings = verdict.findings[:MAX_FINDINGS]
    return verdict


def _parse(data: bytes) -> dict[str, Any]:
    try:
        evidence = json.loads(data.decode(), parse_float=_refuse, parse_constant=_refuse)
    except UnicodeDecodeError as error:
        raise Malformed(f"The file is not UTF-8 at byte {error.start + 1}.") from None
    except json.JSONDecodeError as error:
        position = len(error.doc[: error.pos].encode()) + 1
        raise Malformed(f"The file is not JSON at byte {position}.") from None
    if not isinstance(evidence, dict) or evidence.get("format") != hash_chain.FORMAT:
        raise Malformed(NOT_EVIDENCE)
    shapes = {"about": dict, "entries": list, "note": str, "values": dict}
    for name, shape in shapes.items():
        if not isinstance(evidence.get(name), shape):
            raise Malformed(f"The part {quoted(name)} is missing or has another form.")
    return evidence


def _refuse(text: str) -> NoReturn:
    raise Malformed(f"The number {text[:40]} cannot be part of evidence.")


def _check_form(evidence: dict[str, Any], data: bytes) -> Iterator[str]:
    """Find bytes that do not change the parsed values, such as spaces or repeated names."""
    for name in sorted(evidence.keys() - FIELDS):
        yield f"The part {quoted(name[:40])} does not belong to evidence."
    canonical = canonical_json.encode(evidence)
    if canonical != data:
        pairs = zip(canonical, data, strict=False)
        shorter = min(len(canonical), len(data))
        position = next((at for at, (one, two) in enumerate(pairs) if one != two), shorter)
        yield f"The file was written in another form at byte {position + 1}."


def _check_chain(evidence: dict[str, Any]) -> tuple[list[bytes], list[str]]:
    """Return the hash of each entry, and the entries that do not fit the hash beside them.

    Each entry is compared with the stored hash of the one before it, so that one change does not
    show as a change of all later entries.
    """
    links: list[bytes] = []
    findings: list[str] = []
    link = before = hash_chain.first_link(evidence["about"])
    for number, item in enumerate(evidence["entries"], 1):
        if not isinstance(item, dict) or item.keys() != {"entry", "hash"}:
            raise Malformed(f"Entry {number} has another form.")
        entry = item["entry"]
        stored = item["hash"]
        if not isinstance(entry, dict) or not isinstance(stored, str):
            raise Malformed(f"Entry {number} has another form.")
        link = hash_chain.next_link(link, entry)
        links.append(link)
        if hash_chain.next_link(before, entry).hex() != stored and link.hex() != stored:
            findings.append(
                f"{_describe(number, entry)} was changed, or entries before it were removed or"
                " moved."
            )
        before = bytes.fromhex(stored) if SHA256.fullmatch(stored) else link
    return links, findings


SHA256 = re.compile(r"[0-9a-f]{64}")


def _describe(number: int, entry: dict[str, Any]) -> str:
    return f"Entry {number} ({str(entry.get('kind'))[:40]}, {str(entry.get('at'))[:40]})"


def _check_values(evidence: dict[str, Any], verdict: Verdict) -> Iterator[str]:
    """Compare each value with its hash in an entry."""
    places = {
        part["sha256"]: f"{_describe(number, item['entry'])}: the value {quoted(name)}"
        for number, item in enumerate(evidence["entries"], 1)
        for name, part in item["entry"].items()
        if isinstance(part, dict) and part.keys() == {"sha256"}
    }
    values = evidence["values"]
    verdict.entries = len(evidence["entries"])
    for hashed, item in values.items():
        place = places.get(hashed)
        if place is None:
            yield f"The value {hashed[:16]}… belongs to no entry."
        elif not _is_value(item):
            yield f"{place} has another form."
        elif "value" in item:
            verdict.kept += 1
            if commitments.commit(bytes.fromhex(item["salt"]), item["value"]).hex() != hashed:
                yield f"{place} was changed."
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
) -> Iterator[str]:
    """Verify the signature, and compare what was signed with the content of the file."""
    try:
        text, key = signed_notes.open_note(evidence["note"], keys)
    except InvalidNote as error:
        yield f"Signature: {error}"
        text = evidence["note"].rpartition("\n\n")[0] + "\n"
        key = None
    if evidence["note"].count(f"\n{signed_notes.MARK}") != 1:
        yield "Signature: the note does not have exactly one."
    about = evidence["about"]
    name = key.name if key else text.split("\n")[1]
    head = links[-1] if links else hash_chain.first_link(about)
    expected = hash_chain.note_text(name, about, len(links), head, evidence["values"])
    signed_lines = text.split("\n")
    expected_lines = expected.split("\n")
    if len(signed_lines) != len(expected_lines):
        yield "The signed note has another number of lines."
    for part, signed, found in zip(_PARTS, signed_lines, expected_lines, strict=False):
        if signed != found:
            yield f"{part} not those that were signed."
    verdict.key = key
    verdict.about = about


_PARTS = (
    "The format is",
    "The name of the key is",
    "The ID of the request is",
    "The time of the export is",
    "The status of the request is",
    "The number of entries, an entry, or the part 'about' are",
    "The values are",
)
