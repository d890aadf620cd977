"""Hold a signing request and its people during a transaction, and write what has changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import bindparam, select, update

from hub.core.vocabulary import PersonRole, RequestState, SignerState
from hub.db.compiled_sql import Row, Statement, get_table
from hub.db.encrypted_fields import (
    REQUEST_SENDER,
    REQUEST_TITLE,
    REQUEST_URL,
    SIGNER_DETAILS,
    SIGNER_SIGNING_URL,
)
from hub.db.store import read, write
from hub.db.types import keyring, new_id, now
from hub.evidence import corrections
from hub.evidence.corrections import PersonDetails, RequestDetails
from hub.lib.crypto import EncryptedField
from hub.messaging.contacts.consents import ConsentEntry
from hub.models import Signer, SigningRequest
from hub.search import unindexed
from hub.search.unindexed import PERSON_FIELDS

requests = get_table(SigningRequest)
signers = get_table(Signer)

REQUEST_PLAIN = (
    "state",
    "state_at",
    "reported_at",
    "expires_at",
    "sent_at",
    "closed_at",
    "reopenings",
    "reminders",
)
REQUEST_SEALED = {"title": REQUEST_TITLE, "sender": REQUEST_SENDER, "url": REQUEST_URL}
REQUEST_COLUMNS = (*REQUEST_PLAIN, *REQUEST_SEALED)
SIGNER_PLAIN = (
    "turn",
    "state",
    "state_at",
    "reported_at",
    "reminded_at",
    "reminders",
    "snoozed_until",
    "remind_at",
    "reminders_handled_at",
    "reminders_stopped_at",
    "invited_at",
    "opened_at",
    "declined_at",
    "removed_at",
)
SIGNER_SEALED = {"details": SIGNER_DETAILS, "signing_url": SIGNER_SIGNING_URL}
SIGNER_COLUMNS = (*SIGNER_PLAIN, *SIGNER_SEALED)
# the values of the columns except `sender` and `details`, which change in place
_REQUEST_VALUES = tuple(name for name in REQUEST_COLUMNS if name != "sender")
_SIGNER_VALUES = tuple(name for name in SIGNER_COLUMNS if name != "details")
_request_values = attrgetter(*_REQUEST_VALUES)
_signer_values = attrgetter(*_SIGNER_VALUES)
_SIGNER = PersonRole.SIGNER.value
# the states of signers whose signature is missing; events check them too often to convert each one
NOT_SIGNED = frozenset(state.value for state in SignerState if state.has_not_signed)


@dataclass(slots=True)
class SignerRecord:
    """A signer, an observer or the sender, with `details` and `signing_url` decrypted."""

    id: str
    external_id: str
    role: str
    turn: int
    state: str
    state_at: datetime
    reported_at: datetime
    reminded_at: datetime | None
    reminders: int
    snoozed_until: datetime | None = None
    remind_at: datetime | None = None  # see reminder_times
    reminders_handled_at: datetime | None = None
    reminders_stopped_at: datetime | None = None
    invited_at: datetime | None = None
    opened_at: datetime | None = None
    declined_at: datetime | None = None
    removed_at: datetime | None = None
    details: dict[str, Any] = field(default_factory=dict)
    signing_url: str | None = None
    turn_began: bool = False  # in this transaction

    @property
    def has_not_signed(self) -> bool:
        return self.state in NOT_SIGNED

    @property
    def has_acted(self) -> bool:
        """True for a signer who opened, signed or declined, and so knows the document."""
        return self.state != SignerState.PENDING or self.opened_at is not None

    @property
    def is_signer(self) -> bool:
        """True for a signer who was not removed from the request."""
        return self.role == PersonRole.SIGNER and self.removed_at is None

    def values(self) -> tuple[Any, ...]:
        """Return the values of the columns, to notice changes."""
        return *_signer_values(self), {**self.details}


@dataclass(slots=True)
class RequestRecord:
    """A signing request. `title`, `sender` and `url` are plain here and sealed in the table."""

    id: str
    source_id: str
    external_id: str
    test: bool
    state: str
    state_at: datetime
    reported_at: datetime
    expires_at: datetime | None
    sent_at: datetime | None = None
    closed_at: datetime | None = None
    reopenings: int = 0
    reminders: str | None = None  # settings of the schedule, see reminder_settings
    title: str | None = None
    sender: dict[str, Any] | None = None
    url: str | None = None
    people: list[SignerRecord] = field(default_factory=list)
    assumed_consents: Sequence[ConsentEntry] = ()  # of an event that is only previewed
    is_new: bool = True  # created by this change, so that nothing is stored for it before
    _is_stored: bool = False
    _before: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    _indexed: tuple[str | None, ...] = ()

    @property
    def signers(self) -> list[SignerRecord]:
        """The signers who were not removed, in the order of their turns."""
        # written out, because every event reads it several times
        return [
            person for person in self.people if person.role == _SIGNER and person.removed_at is None
        ]

    @property
    def remaining(self) -> int:
        """The number of signatures that are missing."""
        return sum(signer.has_not_signed for signer in self.signers)

    @property
    def expired(self) -> bool:
        """Return whether the time to sign has ended, so that no signer is asked to sign."""
        return self.expires_at is not None and self.expires_at <= now()

    def person(self, role: PersonRole, external_id: str) -> SignerRecord | None:
        """Return a person by the ID in the app, removed signers included."""
        matches = (
            person
            for person in self.people
            if person.external_id == external_id and person.role == role
        )
        return next(matches, None)

    def add_person(self, role: PersonRole, external_id: str, at: datetime) -> SignerRecord:
        """Add a person, who is stored by the next `write`."""
        person = SignerRecord(
            new_id("sgn"), external_id, role.value, 1, SignerState.PENDING.value, at, at, None, 0
        )
        self.people.append(person)
        return person

    def write(self) -> None:
        """Write new rows and changed rows."""
        self._record_corrections()
        if not self._is_stored:
            row = {
                "id": self.id,
                "source_id": self.source_id,
                "external_id": self.external_id,
                "test": self.test,
                "created_at": now(),
            }
            write(_ADD_REQUEST, row | _row_values(self, REQUEST_PLAIN, REQUEST_SEALED))
        elif self._before[self.id] != self._values():
            write(_CHANGE_REQUEST, _changes(self, REQUEST_PLAIN, REQUEST_SEALED))
        added = []
        changed = []
        for person in self.people:
            before = self._before.get(person.id)
            if before is None:
                row = {
                    "id": person.id,
                    "request_id": self.id,
                    "external_id": person.external_id,
                    "role": person.role,
                }
                added.append(row | _row_values(person, SIGNER_PLAIN, SIGNER_SEALED))
            elif before != person.values():
                changed.append(_changes(person, SIGNER_PLAIN, SIGNER_SEALED))
        write(_ADD_SIGNERS, added)
        write(_CHANGE_SIGNER, changed)
        if self._indexed != self._searchable():
            unindexed.mark_requests([self.id])
        self._is_stored = True
        self._remember_values()

    def _record_corrections(self) -> None:
        """Record the stored details that this change overwrites, as evidence."""
        if not self._is_stored:
            return
        before = dict(zip((*_REQUEST_VALUES, "sender"), self._before[self.id], strict=True))
        former = RequestDetails(before["title"], before["expires_at"], before["sender"])
        details = RequestDetails(self.title, self.expires_at, self.sender)
        people = [
            (_person_before(person, self._before[person.id]), _person_now(person))
            for person in self.people
            if person.id in self._before
            and person.role != PersonRole.SENDER
            and person.details != self._before[person.id][-1]
        ]
        corrections.record_corrections(self.id, (former, details), people)

    def _searchable(self) -> tuple[str | None, ...]:
        """Return the texts by which a search finds the request."""
        people = [self.sender or {}, *(person.details for person in self.people)]
        return self.title, *(person.get(name) for person in people for name in PERSON_FIELDS)

    def _remember_values(self) -> None:
        self._indexed = self._searchable()
        self._before = {person.id: person.values() for person in self.people}
        self._before[self.id] = self._values()

    def _values(self) -> tuple[Any, ...]:
        """Return the values of the columns, to notice changes."""
        sender = None if self.sender is None else {**self.sender}
        return *_request_values(self), sender


def _person_before(person: SignerRecord, values: tuple[Any, ...]) -> PersonDetails:
    before = dict(zip((*_SIGNER_VALUES, "details"), values, strict=True))
    return PersonDetails(
        person.id, person.role, person.external_id, before["turn"], before["details"]
    )


def _person_now(person: SignerRecord) -> PersonDetails:
    return PersonDetails(person.id, person.role, person.external_id, person.turn, person.details)


def _change(table: Any, names: tuple[str, ...]) -> Statement:
    return Statement(
        update(table)
        .where(table.c.id == bindparam("key"))
        .values({name: bindparam(f"new_{name}") for name in names})
    )


_ADD_REQUEST = Statement.insert(requests)
_ADD_SIGNERS = Statement.insert(signers)
_CHANGE_REQUEST = _change(requests, REQUEST_COLUMNS)
_CHANGE_SIGNER = _change(signers, SIGNER_COLUMNS)


def find_request(source_id: str, external_id: str, *, test: bool) -> RequestRecord | None:
    """Read a request by the source's ID, locked, with its people."""
    return _build_record(read(_BY_SOURCE, source=source_id, external=external_id, test=test))


def get_request(request_id: str) -> RequestRecord | None:
    """Read a request by its Signpost ID, locked, with its people."""
    return _build_record(read(_BY_ID, id=request_id))


def read_request(request_id: str) -> RequestRecord | None:
    """Read a request by its Signpost ID, with its people, without locks. Do not change it."""
    return _build_record(read(_BY_ID_UNLOCKED, id=request_id), _SIGNERS_UNLOCKED)


def read_request_of_source(source_id: str, external_id: str, *, test: bool) -> RequestRecord | None:
    """Read a request by the source's ID, with its signers, without locks. Do not write it."""
    values = {"source": source_id, "external": external_id, "test": test}
    return _build_record(read(_BY_SOURCE_UNLOCKED, **values), _SIGNERS_UNLOCKED)


def new_request(source_id: str, external_id: str, at: datetime, *, test: bool) -> RequestRecord:
    """Return a new request that is not stored yet."""
    return RequestRecord(
        new_id("req"), source_id, external_id, test, RequestState.OPEN.value, at, at, None
    )


_REQUEST_NAMES = ("id", "source_id", "external_id", "test", *REQUEST_COLUMNS)
_SIGNER_NAMES = ("id", "external_id", "role", *SIGNER_COLUMNS)
_REQUEST_QUERY = select(*[requests.c[name] for name in _REQUEST_NAMES])
_BY_ID = Statement(
    _REQUEST_QUERY.where(requests.c.id == bindparam("id")).with_for_update(key_share=True)
)
_REQUEST_OF_SOURCE = _REQUEST_QUERY.where(
    requests.c.source_id == bindparam("source"),
    requests.c.external_id == bindparam("external"),
    requests.c.test == bindparam("test"),
)
_BY_SOURCE_UNLOCKED = Statement(_REQUEST_OF_SOURCE)
_BY_SOURCE = Statement(_REQUEST_OF_SOURCE.with_for_update(key_share=True))
_SIGNERS_QUERY = (
    select(*[signers.c[name] for name in _SIGNER_NAMES])
    .where(signers.c.request_id == bindparam("request"))
    .order_by(signers.c.turn, signers.c.id)
)
_BY_ID_UNLOCKED = Statement(_REQUEST_QUERY.where(requests.c.id == bindparam("id")))
_SIGNERS_UNLOCKED = Statement(_SIGNERS_QUERY)
_SIGNERS = Statement(_SIGNERS_QUERY.with_for_update(key_share=True))


def _build_record(rows: list[Row], signers_query: Statement = _SIGNERS) -> RequestRecord | None:
    if not rows:
        return None
    values = dict(zip(_REQUEST_NAMES, rows[0], strict=True))
    for name, encrypted in REQUEST_SEALED.items():
        values[name] = _decrypt(encrypted, values["id"], values[name])
    record = RequestRecord(**values, is_new=False, _is_stored=True)
    for row in read(signers_query, request=record.id):
        values = dict(zip(_SIGNER_NAMES, row, strict=True))
        for name, encrypted in SIGNER_SEALED.items():
            values[name] = _decrypt(encrypted, values["id"], values[name])
        values["details"] = values["details"] or {}
        record.people.append(SignerRecord(**values))
    record._remember_values()
    return record


def _row_values(
    record: RequestRecord | SignerRecord,
    plain: tuple[str, ...],
    encrypted_fields: Mapping[str, EncryptedField],
) -> dict[str, Any]:
    row_id = record.id.partition("_")[2]
    keys = keyring()
    values: dict[str, Any] = {name: getattr(record, name) for name in plain}
    for name, encrypted in encrypted_fields.items():
        value = getattr(record, name)
        values[name] = None if value is None else keys.seal_json(encrypted, row_id, value)
    return values


def _changes(
    record: RequestRecord | SignerRecord,
    plain: tuple[str, ...],
    encrypted_fields: Mapping[str, EncryptedField],
) -> dict[str, Any]:
    return {
        "key": record.id,
        **{
            f"new_{name}": value
            for name, value in _row_values(record, plain, encrypted_fields).items()
        },
    }


def _decrypt(encrypted: EncryptedField, row_id: str, value: bytes | None) -> Any:
    if value is None:
        return None
    return keyring().open_json(encrypted, row_id.partition("_")[2], value)
