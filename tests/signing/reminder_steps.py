"""Let days pass for the reminders of a hub, and list the reminders that it sent."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import current_app
from sqlalchemy import select

from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.lib.shutdown import ShutdownSignal
from hub.models import Event, Message, Signer, SigningRequest, Source
from hub.signing import automatic_reminders
from tests.hub_fixtures import ANNA, SigningApp, event_body, json_of, signer_body

TIMES = {
    SigningRequest: ("expires_at",),
    Signer: (
        "invited_at",
        "reminded_at",
        "remind_at",
        "reminders_handled_at",
        "snoozed_until",
    ),
    Source: ("reminders_since", "test_reminders_since"),
}
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def zone_at_noon(later: int = 0) -> str:
    """Return a time zone in which it is about noon now, or some hours later."""
    ahead = (12 + later - now().hour + 12) % 24 - 12
    return f"Etc/GMT{-ahead:+d}" if ahead else "Etc/GMT"


def daytime(name: str, number: str | None = None, **fields: Any) -> dict[str, Any]:
    """Return a signer for whom it is noon now."""
    numbers = [number] if number else []
    return signer_body(name, *numbers, time_zone=zone_at_noon(), **fields)


def send(app: SigningApp, *signers: dict[str, Any], **request: Any) -> Any:
    """Send a document to signers, by default to Eric, and return the answer."""
    body = event_body(signers=list(signers or (daytime("Eric"),)))
    body["request"] |= request
    answer = app.post("/events", body)
    assert answer.status_code == 202, answer.text
    return json_of(answer)


def post(app: SigningApp, kind: str, **fields: Any) -> Any:
    answer = app.post("/events", event_body(f"request.{kind}", **fields))
    assert answer.status_code == 202, answer.text
    return json_of(answer)


@transaction
def let_pass(time: timedelta) -> None:
    """Move every time on which reminders depend into the past, as if time had passed."""
    for model, names in TIMES.items():
        for row in db.session.scalars(select(model)):
            for name in names:
                if (at := getattr(row, name)) is not None:
                    setattr(row, name, at - time)


def check() -> int:
    """Run the chore of automatic reminders, and return the number of reminded signers."""
    db.session.rollback()
    current_app.extensions.get("hub.cached", {}).clear()
    return automatic_reminders.send_due(ShutdownSignal(10))


def reminders_after(days: float) -> int:
    """Let days pass, and return how many signers are reminded at their end."""
    let_pass(timedelta(days=days))
    return check()


def reminders_to(name: str = "eric") -> list[Message]:
    """Return the reminders to a signer, oldest first."""
    db.session.rollback()
    query = (
        select(Message)
        .join(Signer, Signer.id == Message.signer_id)
        .join(Event, Event.id == Message.event_id)
        .where(Signer.external_id == name, Event.type == "request.reminder")
    )
    return list(db.session.scalars(query.order_by(Message.id)))


def signer(name: str = "eric") -> Signer:
    db.session.rollback()
    return db.session.scalars(select(Signer).where(Signer.external_id == name)).one()


ANNA_AT_NOON = ("Anna", ANNA)
