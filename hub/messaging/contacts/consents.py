"""The ledger of consents: who said yes or no to what, when and how it is known.

Lines are added, never changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, select

from hub.core.errors import Refused
from hub.core.vocabulary import Address, Channel
from hub.db.compiled_sql import UnreadableRow
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import BadTime, new_id, now
from hub.lib import addresses, text, times
from hub.messaging.contacts.contacts import contact_for
from hub.messaging.contacts.csv_files import (
    NO,
    YES,
    Columns,
    ImportReport,
    Line,
    csv_line,
    import_lines,
)
from hub.messaging.contacts.opt_out_files import source_id_of
from hub.messaging.state import unreadable_rows
from hub.models import Consent, Contact, Source
from hub.shared import audit
from hub.shared.address_keys import address_keys

BY_API = "api"
BY_IMPORT = "import"
BY_ADMIN = "admin"
SOURCES = (BY_API, BY_IMPORT, BY_ADMIN, "keyword", "link")
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
LONGEST = {"purpose": 100, "ip": 45, "agent": 500, "proof": 5000}  # characters


@dataclass(frozen=True)
class ConsentEntry:
    """A consent or objection as it is reported to us; `channel` is '' for all, `proof` the wording
    that was agreed to.
    """

    address: str
    given: bool
    channel: str = ""
    purpose: str = ""
    at: datetime | None = None
    ip: str = ""
    agent: str = ""
    proof: str = ""
    kind: str = ""  # of the address, where that is neither a number nor a mail address


@transaction
def record_consent(
    said: ConsentEntry, *, source: str, test: bool, source_id: str | None = None
) -> Consent:
    """Add a line to the ledger, about messages of a source or of all.

    Raises Refused that names the field.
    """
    row = _add(said, source=source, test=test, source_id=source_id)
    if source == BY_ADMIN:
        clean = _address(said)[1]
        audit.record(
            "consent.recorded",
            row.id,
            clean,
            said="yes" if said.given else "no",
            channel=said.channel or "every channel",
        )
    return row


def _address(said: ConsentEntry) -> tuple[Address, str]:
    return (
        addresses.of_kind(said.address, said.kind) if said.kind else addresses.parse(said.address)
    )


def _add(said: ConsentEntry, *, source: str, test: bool, source_id: str | None) -> Consent:
    kind, clean = _address(said)
    if said.channel and said.channel not in list(Channel):
        why_not = (
            f"There is no channel {said.channel[:50]!r}. Use one of {', '.join(Channel)},"
            " or leave it empty for all."
        )
        raise Refused("no_such_channel", why_not, field="channel")
    for name, most in LONGEST.items():
        if len(getattr(said, name)) > most:
            raise Refused("too_long", f"Use at most {most:,} characters.", field=name)
    moment = now()
    at = moment if said.at is None else times.is_past(said.at, moment, field="at")
    contact = contact_for(kind, clean, test=test)
    row = Consent(
        id=new_id("cns"),
        contact_id=contact.id,
        channel=said.channel,
        purpose=said.purpose,
        given=said.given,
        evidence=source,
        source_id=source_id,
        at=at,
        ip=text.one_line(said.ip),
        user_agent=said.agent,
        proof=said.proof or None,
    )
    db.session.add(row)
    db.session.flush()
    return row


def consent_history(address: str, *, test: bool, source_id: str) -> Select[Consent]:
    """Return the query for what an address said to a source, newest first. Raises Refused."""
    kind, clean = addresses.parse(address)
    mine = select(Contact.id).where(
        Contact.address_key.in_(address_keys(kind, clean)), Contact.test == test
    )
    query = select(Consent).where(Consent.contact_id.in_(mine), Consent.source_id == source_id)
    return query.order_by(Consent.id.desc())


def current_consents(contact_id: str, channel: str) -> Consent | None:
    """Return what a contact said last about a channel, by the time it was said; a word about every
    channel counts for each.
    """
    query = select(Consent).where(
        Consent.contact_id == contact_id, Consent.channel.in_(("", channel))
    )
    return db.session.scalar(query.order_by(Consent.at.desc(), Consent.id.desc()).limit(1))


# ── In files ──────────────────────────────────────────────────────────────────────────────────────
def _refuse_contradictions(lines: Sequence[Line]) -> None:
    """Refuse a file in which one person says yes and no, and no time tells which is newer.

    Raises Refused.
    """
    earlier: dict[tuple[str, ...], dict[str, tuple[int, bool]]] = {}
    for number, line in lines:
        try:
            kind, clean = addresses.of_kind(line["address"], line["kind"])
            moment = _moment_to_compare(line)
        except Refused:
            continue  # the line is refused by itself
        word = line["given"].strip().lower()
        if moment is None or word not in YES + NO:
            continue
        channel = line["channel"].strip().lower()
        given = word in YES
        by_channel = earlier.setdefault(
            (kind, *sorted(addresses.written_forms(kind, clean)), line["app"].strip(), moment), {}
        )
        for other, (first, before) in by_channel.items():
            if before != given and (channel == other or "" in (channel, other)):
                why = (
                    f"This line contradicts line {first} about the same person. Correct one of"
                    " them, or enter a different time for each in the column at."
                )
                raise Refused("contradiction", f"Line {number}: {why}", field="file")
        by_channel.setdefault(channel, (number, given))


def _moment_to_compare(line: Mapping[str, str]) -> str | None:
    """Return the time of a line in UTC, '' for now; None for a line that was exported.

    Exported lines stand in the order of the ledger, which decides between equal times. Raises
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
    texts=("purpose", "agent", "proof"),
    check=_refuse_contradictions,
)


def import_consents(content: str | bytes, *, test: bool) -> ImportReport:
    """Record every line of a CSV file: those of `export` as they were, others with the source
    `import`.

    Raises Refused for a file that cannot be read, before anything is stored.
    """
    apps = {row.slug: row.id for row in db.session.scalars(select(Source))}
    return import_lines(
        content, lambda line: _import(line, apps, test), columns=FILE, action="consent.imported"
    )


def _import(line: dict[str, str], apps: Mapping[str, str], test: bool) -> bool:
    said = _said(line)
    source = line["source"].strip().lower() or BY_IMPORT
    source_id = source_id_of(line, apps)
    if source not in SOURCES:
        raise Refused(
            "no_such_source", f"Use one of {', '.join(SOURCES)}, or leave it empty.", field="source"
        )
    if said.at is not None and _is_known(said, source, source_id, test=test):
        return False
    _add(said, source=source, test=test, source_id=source_id)
    return True


def _is_known(said: ConsentEntry, source: str, source_id: str | None, *, test: bool) -> bool:
    """Tell whether the ledger has this very line: a file may be imported twice."""
    keys = address_keys(*_address(said))
    contacts = select(Contact.id).where(Contact.address_key.in_(keys), Contact.test == test)
    same = select(Consent.id).where(
        Consent.contact_id.in_(contacts),
        Consent.at == said.at,
        Consent.given == said.given,
        Consent.channel == said.channel,
        Consent.purpose == said.purpose,
        Consent.evidence == source,
        Consent.source_id == source_id,
    )
    return db.session.scalar(same.limit(1)) is not None


def _said(line: dict[str, str]) -> ConsentEntry:
    word = line["given"].strip().lower()
    at = line["at"].strip()
    if word not in YES + NO:
        raise Refused("bad_word", "Enter yes or no.", field="given")
    moment = times.is_past(times.parse(at, field="at"), now(), field="at") if at else None
    more = {name: line[name] for name in ("purpose", "agent", "proof")}
    kind, address = addresses.of_kind(line["address"], line["kind"])
    return ConsentEntry(
        address,
        word in YES,
        line["channel"].strip().lower(),
        at=moment,
        ip=line["ip"].strip(),
        kind=kind,
        **more,
    )


def _line(row: Consent, address: str, kind: str, apps: dict[str, str]) -> str:
    if isinstance(row.at, BadTime):
        raise UnreadableRow("consents.at")  # imported again, another time would change what counts
    return csv_line(
        [
            address,
            row.channel,
            row.purpose,
            "yes" if row.given else "no",
            row.evidence,
            row.at.isoformat(),
            text.one_line(row.ip),  # earlier versions stored several lines, which no import reads
            row.user_agent,
            str(row.proof or ""),
            kind,
            apps.get(row.source_id or "", ""),
        ]
    )


def export_consents(*, test: bool) -> Iterator[str]:
    """Write the ledger of live or test contacts as a CSV file, line by line; those who were erased
    are left out.
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
            "consents", rows, lambda found: _line(found[0], found[1], found[2], apps)
        )
        if not rows:
            return
        last = rows[-1][0].id
