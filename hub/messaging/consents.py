"""The ledger of consents: who said yes or no to what, when and how it is known. Lines are added, never changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Select, select

from hub import audit
from hub.errors import Refused
from hub.extensions import db
from hub.messaging.contacts import address_keys, contact_for
from hub.messaging.files import Report, csv_line, import_lines
from hub.messaging.suppressions import kind_of
from hub.models import Consent, Contact
from hub.models.types import new_id, now
from hub.store import transaction
from hub.vocabulary import Channel

BY_API, BY_IMPORT, BY_ADMIN = "api", "import", "admin"
COLUMNS = ("address", "channel", "purpose", "given", "source", "at", "ip", "agent", "proof")
YES, NO = ("yes", "true", "1", "y"), ("no", "false", "0", "n")
LONGEST = {"purpose": 100, "ip": 45, "agent": 500, "proof": 5000}  # characters


@dataclass(frozen=True)
class Said:
    """What somebody said yes or no to, as it is told to us; `channel` '' for all, `proof` the words that were agreed to."""

    address: str
    given: bool
    channel: str = ""
    purpose: str = ""
    at: datetime | None = None
    ip: str = ""
    agent: str = ""
    proof: str = ""


@transaction
def record(said: Said, *, source: str, test: bool, source_id: str | None = None) -> Consent:
    """Add a line to the ledger, about messages of a source or of all.

    Raises Refused that names the field.
    """
    kind, clean = kind_of(said.address)
    if said.channel and said.channel not in list(Channel):
        why_not = f"There is no channel {said.channel!r}. Give one of {', '.join(Channel)}, or none for all."
        raise Refused("no_such_channel", why_not, field="channel")
    for name, most in LONGEST.items():
        if len(getattr(said, name)) > most:
            raise Refused("too_long", f"Give it in at most {most:,} characters.", field=name)
    moment = now()
    if said.at is not None and said.at > moment:
        raise Refused("in_the_future", "Nobody has said it yet: the time lies in the future.", field="at")
    contact = contact_for(kind, clean, test=test)
    row = Consent(
        id=new_id("cns"), contact_id=contact.id, channel=said.channel, purpose=said.purpose, given=said.given, source=source,
        source_id=source_id, at=said.at or moment, ip=said.ip, agent=said.agent,
        proof=said.proof or None,
    )  # fmt: skip
    db.session.add(row)
    db.session.flush()
    if source == BY_ADMIN:
        audit.record("consent.recorded", row.id, clean, said="yes" if said.given else "no", channel=said.channel or "every channel")
    return row


def history(address: str, *, test: bool, source_id: str) -> Select[Consent]:
    """Return the query for what an address said to a source, newest first. Raises Refused."""
    kind, clean = kind_of(address)
    mine = select(Contact.id).where(Contact.address_key.in_(address_keys(kind, clean)), Contact.test == test)
    query = select(Consent).where(Consent.contact_id.in_(mine), Consent.source_id == source_id)
    return query.order_by(Consent.id.desc())


def current(contact_id: str, channel: str) -> Consent | None:
    """Return what a contact said last about a channel, by the time it was said; a word about every channel counts for each."""
    query = select(Consent).where(Consent.contact_id == contact_id, Consent.channel.in_(("", channel)))
    return db.session.scalar(query.order_by(Consent.at.desc(), Consent.id.desc()).limit(1))


# ── In files ────────────────────────────────────────────────────────────────────────────────────────────────
def import_file(content: str, *, test: bool) -> Report:
    """Record every line of a CSV file with the columns `address` and `given`. Raises Refused for no such file."""

    def keep(line: dict[str, str]) -> bool:
        return bool(record(_said(line), source=BY_IMPORT, test=test))

    needs = ("address", "given")
    return import_lines(content, keep, needs=needs, maybe=[name for name in COLUMNS if name not in needs], action="consent.imported")


def _said(line: dict[str, str]) -> Said:
    word = line["given"].lower()
    if word not in YES + NO:
        raise Refused("bad_word", "Say yes or no.", field="given")
    at = None
    if text := line.get("at", ""):
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            raise Refused("bad_time", "Write the time as 2026-11-21T09:30:00Z.", field="at") from None
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    more = {name: line.get(name, "") for name in ("purpose", "ip", "agent", "proof")}
    return Said(line["address"], word in YES, line.get("channel", "").lower(), at=at, **more)


def export(*, test: bool) -> Iterator[str]:
    """Write the ledger of live or test contacts as a CSV file, line by line; those who were erased are left out."""
    yield ",".join(COLUMNS) + "\r\n"
    last = ""
    while True:
        query = select(Consent, Contact.address).join(Contact, Contact.id == Consent.contact_id)
        query = query.where(Contact.test == test, Contact.erased_at.is_(None), *([Consent.id > last] if last else []))
        rows = db.session.execute(query.order_by(Consent.id).limit(500)).all()
        for row, address in rows:
            yield csv_line([address, row.channel, row.purpose, "yes" if row.given else "no", row.source, row.at.isoformat(), row.ip,
                            row.agent, str(row.proof or "")])  # fmt: skip
        if not rows:
            return
        last = rows[-1][0].id

