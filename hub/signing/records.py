"""A signing request and its signers in the hands of one transaction: read, changed in memory, written where they changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Table, bindparam, select, update

from hub.extensions import db
from hub.models import Signer, SigningRequest
from hub.models.types import keyring, new_id, now
from hub.vocabulary import RequestState, SignerState

requests = cast(Table, SigningRequest.__table__)
signers = cast(Table, Signer.__table__)

REQUEST_PLAIN, REQUEST_SEALED = ("state", "state_at", "told_at", "expires_at"), ("title", "sender")
SIGNER_PLAIN, SIGNER_SEALED = ("turn", "state", "state_at", "told_at", "reminded_at", "reminders"), ("details", "signing_url")


@dataclass(slots=True)
class SignerRecord:
    """A signer. `details` and `signing_url` are plain here and sealed in the table."""

    id: str
    external_id: str
    turn: int
    state: str
    state_at: datetime
    told_at: datetime
    reminded_at: datetime | None
    reminders: int
    details: dict[str, Any] = field(default_factory=dict)
    signing_url: str | None = None

    @property
    def owes(self) -> bool:
        return SignerState(self.state).owes


@dataclass(slots=True)
class RequestRecord:
    """A signing request. `title` and `sender` are plain here and sealed in the table."""

    id: str
    source_id: str
    external_id: str
    test: bool
    state: str
    state_at: datetime
    told_at: datetime
    expires_at: datetime | None
    title: str | None = None
    sender: dict[str, Any] | None = None
    signers: list[SignerRecord] = field(default_factory=list)
    new: bool = True
    _before: dict[str, tuple[Any, ...]] = field(default_factory=dict)

    @property
    def remaining(self) -> int:
        """How many signatures are missing."""
        return sum(signer.owes for signer in self.signers)

    def signer(self, external_id: str) -> SignerRecord | None:
        return next((signer for signer in self.signers if signer.external_id == external_id), None)

    def add_signer(self, external_id: str, at: datetime) -> SignerRecord:
        signer = SignerRecord(new_id("sgn"), external_id, 1, SignerState.PENDING.value, at, at, None, 0)
        self.signers.append(signer)
        return signer

    def write(self) -> None:
        """Write what is new or was changed."""
        if self.new:
            row = {"id": self.id, "source_id": self.source_id, "external_id": self.external_id, "test": self.test, "created_at": now()}
            db.session.execute(_ADD_REQUEST, row | _sealed(self, "requests", REQUEST_PLAIN, REQUEST_SEALED))
        elif self._before[self.id] != _state(self, REQUEST_PLAIN + REQUEST_SEALED):
            values = _sealed(self, "requests", REQUEST_PLAIN, REQUEST_SEALED)
            db.session.execute(update(requests).where(requests.c.id == self.id).values(values))
        added, changed = [], []
        for signer in self.signers:
            before = self._before.get(signer.id)
            if before is None:
                row = {"id": signer.id, "request_id": self.id, "external_id": signer.external_id, "remind_at": None}
                added.append(row | _sealed(signer, "signers", SIGNER_PLAIN, SIGNER_SEALED))
            elif before != _state(signer, SIGNER_PLAIN + SIGNER_SEALED):
                values = _sealed(signer, "signers", SIGNER_PLAIN, SIGNER_SEALED)
                changed.append({"key": signer.id, **{f"new_{name}": value for name, value in values.items()}})
        if added:
            db.session.execute(_ADD_SIGNERS, added)
        if changed:
            db.session.execute(_CHANGE_SIGNER, changed)
        self.new = False
        self._remember()

    def _remember(self) -> None:
        self._before = {self.id: _state(self, REQUEST_PLAIN + REQUEST_SEALED)}
        self._before |= {signer.id: _state(signer, SIGNER_PLAIN + SIGNER_SEALED) for signer in self.signers}


_CHANGE_SIGNER = (
    update(signers).where(signers.c.id == bindparam("key"))
    .values({name: bindparam(f"new_{name}") for name in SIGNER_PLAIN + SIGNER_SEALED})
)  # fmt: skip


def find(source_id: str, external_id: str, *, test: bool) -> RequestRecord | None:
    """Read a request by the source's id, locked, with its signers."""
    return _read(_BY_SOURCE, {"source": source_id, "external": external_id, "test": test})


def get(request_id: str) -> RequestRecord | None:
    """Read a request by our id, locked, with its signers."""
    return _read(_BY_ID, {"id": request_id})


def make(source_id: str, external_id: str, at: datetime, *, test: bool) -> RequestRecord:
    """Begin a request that is not stored yet."""
    return RequestRecord(new_id("req"), source_id, external_id, test, RequestState.OPEN.value, at, at, None)


_REQUEST = select(*[requests.c[name] for name in ("id", "source_id", "external_id", "test", *REQUEST_PLAIN, *REQUEST_SEALED)])
_BY_ID = _REQUEST.where(requests.c.id == bindparam("id")).with_for_update()
_BY_SOURCE = _REQUEST.where(
    requests.c.source_id == bindparam("source"), requests.c.external_id == bindparam("external"), requests.c.test == bindparam("test")
).with_for_update()
_SIGNERS = (
    select(*[signers.c[name] for name in ("id", "external_id", *SIGNER_PLAIN, *SIGNER_SEALED)])
    .where(signers.c.request_id == bindparam("request")).order_by(signers.c.turn, signers.c.id).with_for_update()
)  # fmt: skip
_ADD_REQUEST, _ADD_SIGNERS = requests.insert(), signers.insert()


def _read(which: Any, values: dict[str, Any]) -> RequestRecord | None:
    row = db.session.execute(which, values).first()
    if row is None:
        return None
    values = dict(row._mapping)
    for name in REQUEST_SEALED:
        values[name] = _open("requests", values["id"], name, values[name])
    record = RequestRecord(**values, new=False)
    for found in db.session.execute(_SIGNERS, {"request": record.id}):
        values = dict(found._mapping)
        for name in SIGNER_SEALED:
            values[name] = _open("signers", values["id"], name, values[name])
        values["details"] = values["details"] or {}
        record.signers.append(SignerRecord(**values))
    record._remember()
    return record


def _state(record: RequestRecord | SignerRecord, names: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(dict(value) if isinstance(value, dict) else value for value in (getattr(record, name) for name in names))


def _sealed(record: RequestRecord | SignerRecord, table: str, plain: tuple[str, ...], sealed: tuple[str, ...]) -> dict[str, Any]:
    row = record.id.partition("_")[2]
    values: dict[str, Any] = {name: getattr(record, name) for name in plain}
    for name in sealed:
        value = getattr(record, name)
        values[name] = None if value is None else keyring().seal_json(table, row, name, value)
    return values


def _open(table: str, row_id: str, name: str, value: bytes | None) -> Any:
    return None if value is None else keyring().open_json(table, row_id.partition("_")[2], name, value)
