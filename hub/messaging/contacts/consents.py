"""Record the consent history: opt-ins and objections of contacts, with date and evidence.

Entries are added, never changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, select

from hub.core.errors import Refused
from hub.core.quotes import quoted
from hub.core.vocabulary import Address, Channel
from hub.db.compiled_sql import UnreadableRow
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import BadTime, new_id, now
from hub.lib import addresses, text, times
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.messaging.contacts.csv_files import (
    NO,
    YES,
    Columns,
    ImportReport,
    Line,
    csv_line,
    import_lines,
)
from hub.messaging.contacts.opt_out_events import Decision, report_decision
from hub.messaging.contacts.opt_out_files import find_source_id
from hub.messaging.policy.newest_decisions import BY_KEYWORD, PURPOSES
from hub.messaging.state import unreadable_rows
from hub.models import Consent, Contact, Source
from hub.shared import audit
from hub.shared.address_keys import address_keys

BY_API = "api"
BY_IMPORT = "import"
BY_ADMIN = "admin"
SOURCES = (BY_API, BY_IMPORT, BY_ADMIN, BY_KEYWORD, "link")
COLUMNS = (
    "address",
    "channel",
    "purpose",
    "given",
    "source",
    "at",
    "ip",
    "agent",
    "proof",
    "kind",
    "app",
)
MAX_LENGTHS = {"purpose": 100, "ip": 45, "agent": 500, "proof": 5000}  # characters


@dataclass(frozen=True)
class ConsentEntry:
    """A consent or objection to record.

    `channel` is '' for every channel. `proof` is the wording that the person agreed to.
    """

    address: str
    given: bool
    channel: str = ""
    purpose: str = ""
    at: datetime | None = None
    ip: str = ""
    agent: str = ""
    proof: str = ""
    kind: str = ""  # of the address, if that is neither a number nor an email address


@transaction
def record_consent(
    entry: ConsentEntry, *, source: str, test: bool, source_id: str | None = None
) -> Consent:
    """Add an entry to the consent history, for messages of one source or of all.

    Raises Refused that names the field.
    """
    row = _add_entry(entry, source=source, test=test, source_id=source_id)
    if source == BY_ADMIN:
        address = _parse_address(entry)[1]
        audit.record(
            "consent.recorded",
            row.id,
            address,
            said="yes" if entry.given else "no",
            channel=entry.channel or "every channel",
        )
    return row


@transaction
def record_once(entry: ConsentEntry, *, source: str, test: bool, source_id: str) -> None:
    """Add an entry for messages of one source, unless the history has an equal one.

    `entry.at` must be given. Raises Refused that names the field.
    """
    if not _is_stored(entry, source, source_id, test=test):
        _add_entry(entry, source=source, test=test, source_id=source_id)


def _parse_address(entry: ConsentEntry) -> tuple[Address, str]:
    return (
        addresses.parse_kind_and_address(entry.address, entry.kind)
        if entry.kind
        else addresses.parse(entry.address)
    )


def _add_entry(entry: ConsentEntry, *, source: str, test: bool, source_id: str | None) -> Consent:
    kind, address = _parse_address(entry)
    if entry.channel and entry.channel not in list(Channel):
        problem = (
            f"There is no channel {quoted(entry.channel[:50])}. Use one of {', '.join(Channel)},"
            " or leave it empty for all."
        )
        raise Refused("no_such_channel", problem, field="channel")
    for name, limit in MAX_LENGTHS.items():
        if len(getattr(entry, name)) > limit:
            raise Refused("too_long", f"Use at most {limit:,} characters.", field=name)
    current_time = now()
    at = current_time if entry.at is None else times.past_time(entry.at, current_time, field="at")
    contact = get_or_create_contact(kind, address, test=test)
    former = _newest_entry(contact.id, entry.channel, source_id)
    row = Consent(
        id=new_id("cns"),
        contact_id=contact.id,
        channel=entry.channel,
        purpose=entry.purpose,
        given=entry.given,
        evidence=source,
        source_id=source_id,
        at=at,
        ip=text.clean_line(entry.ip),
        user_agent=entry.agent,
        proof=entry.proof or None,
    )
    db.session.add(row)
    db.session.flush()
    if row.purpose in PURPOSES and (former is None or _changes(row, former)):
        _report(row, test=test)
    return row


def _newest_entry(contact_id: str, channel: str, source_id: str | None) -> Consent | None:
    """Return the newest entry of a source about a channel that applies to its messages."""
    query = select(Consent).where(
        Consent.contact_id == contact_id,
        Consent.channel == channel,
        Consent.source_id == source_id,
        Consent.purpose.in_(PURPOSES),
        Consent.evidence != BY_KEYWORD,
    )
    return db.session.scalar(query.order_by(Consent.at.desc(), Consent.id.desc()).limit(1))


def _changes(row: Consent, former: Consent) -> bool:
    """Return whether an entry is newer than the previous one, and decides otherwise."""
    return row.given != former.given and not isinstance(former.at, BadTime) and row.at >= former.at


def _report(row: Consent, *, test: bool) -> None:
    report_decision(
        Decision(
            row_id=row.id,
            consented=row.given,
            contact_id=row.contact_id,
            reason=row.evidence,
            channel=row.channel,
            test=test,
            at=row.at,
            source_id=row.source_id,
        )
    )


def consent_history(address: str, *, test: bool, source_id: str) -> Select[Consent]:
    """Return the query for an address's entries of a source, newest first. Raises Refused."""
    kind, clean = addresses.parse(address)
    contact_ids = select(Contact.id).where(
        Contact.address_key.in_(address_keys(kind, clean)), Contact.test == test
    )
    query = select(Consent).where(
        Consent.contact_id.in_(contact_ids), Consent.source_id == source_id
    )
    return query.order_by(Consent.id.desc())


def current_consents(contact_id: str, channel: str) -> Consent | None:
    """Return a contact's latest consent or objection about a channel, by its date.

    An entry about every channel applies to each.
    """
    query = select(Consent).where(
        Consent.contact_id == contact_id, Consent.channel.in_(("", channel))
    )
    return db.session.scalar(query.order_by(Consent.at.desc(), Consent.id.desc()).limit(1))


# ── Files ─────────────────────────────────────────────────────────────────────────────────────────
def _refuse_contradictions(lines: Sequence[Line]) -> None:
    """Reject a file with a consent and an objection of one person whose order is unclear.

    Raises Refused.
    """
    earlier: dict[tuple[str, ...], dict[str, tuple[int, bool]]] = {}
    for number, line in lines:
        try:
            kind, clean = addresses.parse_kind_and_address(line["address"], line["kind"])
            time = _comparable_time(line)
        except Refused:
            continue  # the import rejects this line
        decision = line["given"].strip().lower()
        if time is None or decision not in YES + NO:
            continue
        channel = line["channel"].strip().lower()
        given = decision in YES
        by_channel = earlier.setdefault(
            (kind, *sorted(addresses.written_forms(kind, clean)), line["app"].strip(), time), {}
        )
        for other, (first, earlier_given) in by_channel.items():
            if earlier_given != given and (channel == other or "" in (channel, other)):
                problem = (
                    f"This line contradicts line {first} about the same person. Correct one of"
                    " them, or enter a different time for each in the column at."
                )
                raise Refused("contradiction", f"Line {number}: {problem}", field="file")
        by_channel.setdefault(channel, (number, given))


def _comparable_time(line: Mapping[str, str]) -> str | None:
    """Return the time of a line in UTC, or '' for now, or None for a line that was exported.

    Exported lines keep the order of the consent history, which decides between equal times. Raises
    Refused.
    """
    at = line["at"].strip()
    if not at:
        return ""
    return None if line["source"].strip() else times.parse(at, field="at").isoformat()


NEEDS = ("address", "given")
FILE = Columns(
    NEEDS,
    [name for name in COLUMNS if name not in NEEDS],
    multiline=("purpose", "agent", "proof"),
    check=_refuse_contradictions,
)


def import_consents(content: str | bytes, *, test: bool) -> ImportReport:
    """Record the lines of a CSV file: exported ones unchanged, others with the source `import`.

    Raises Refused before anything is stored if the file cannot be read.
    """
    apps = {row.slug: row.id for row in db.session.scalars(select(Source))}
    return import_lines(
        content,
        lambda line: _import_line(line, apps, test),
        columns=FILE,
        action="consent.imported",
    )


def _import_line(line: dict[str, str], apps: Mapping[str, str], test: bool) -> bool:
    entry = _parse_entry(line)
    source = line["source"].strip().lower() or BY_IMPORT
    source_id = find_source_id(line, apps)
    if source not in SOURCES:
        raise Refused(
            "no_such_source", f"Use one of {', '.join(SOURCES)}, or leave it empty.", field="source"
        )
    if entry.at is not None and _is_stored(entry, source, source_id, test=test):
        return False
    _add_entry(entry, source=source, test=test, source_id=source_id)
    return True


def _is_stored(entry: ConsentEntry, source: str, source_id: str | None, *, test: bool) -> bool:
    """Return whether the consent history has this entry: a file may be imported twice."""
    keys = address_keys(*_parse_address(entry))
    contacts = select(Contact.id).where(Contact.address_key.in_(keys), Contact.test == test)
    equal_entries = select(Consent.id).where(
        Consent.contact_id.in_(contacts),
        Consent.at == entry.at,
        Consent.given == entry.given,
        Consent.channel == entry.channel,
        Consent.purpose == entry.purpose,
        Consent.evidence == source,
        Consent.source_id == source_id,
    )
    return db.session.scalar(equal_entries.limit(1)) is not None


def _parse_entry(line: dict[str, str]) -> ConsentEntry:
    decision = line["given"].strip().lower()
    at = line["at"].strip()
    if decision not in YES + NO:
        raise Refused("bad_word", "Enter yes or no.", field="given")
    given_at = times.past_time(times.parse(at, field="at"), now(), field="at") if at else None
    texts = {name: line[name] for name in ("purpose", "agent", "proof")}
    kind, address = addresses.parse_kind_and_address(line["address"], line["kind"])
    return ConsentEntry(
        address,
        decision in YES,
        line["channel"].strip().lower(),
        at=given_at,
        ip=line["ip"].strip(),
        kind=kind,
        **texts,
    )


def _format_line(row: Consent, address: str, kind: str, apps: dict[str, str]) -> str:
    if isinstance(row.at, BadTime):
        # exported with another date, the entry could change which one is the newest
        raise UnreadableRow("consents.at")
    return csv_line(
        [
            address,
            row.channel,
            row.purpose,
            "yes" if row.given else "no",
            row.evidence,
            row.at.isoformat(),
            text.clean_line(row.ip),  # older rows may hold several lines, which the import rejects
            row.user_agent,
            str(row.proof or ""),
            kind,
            apps.get(row.source_id or "", ""),
        ]
    )


def export_consents(*, test: bool) -> Iterator[str]:
    """Yield the consent history of live or test contacts as lines of a CSV file.

    Erased contacts are omitted.
    """
    yield ",".join(COLUMNS) + "\r\n"
    apps = {row.id: row.slug for row in db.session.scalars(select(Source))}
    last = ""
    while True:
        query = select(Consent, Contact.address, Contact.kind).join(
            Contact, Contact.id == Consent.contact_id
        )
        query = query.where(
            Contact.test == test,
            Contact.erased_at.is_(None),
            *([Consent.id > last] if last else []),
        )
        rows = db.session.execute(query.order_by(Consent.id).limit(500)).all()
        yield from unreadable_rows.readable_rows(
            "consents", rows, lambda row: _format_line(row[0], row[1], row[2], apps)
        )
        if not rows:
            return
        last = rows[-1][0].id
