"""Describe the people of a request for its page: state, timeline, opt-outs and what is possible."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select

from hub.admin.contacts import opt_out_descriptions
from hub.admin.requests import signer_timeline
from hub.admin.view.message_rows import MessageListRow
from hub.admin.view.status_badges import channel_title
from hub.core.errors import DecryptionError
from hub.core.vocabulary import PersonRole, RequestState, SignerState, Status
from hub.db.engine import db
from hub.messaging.contacts import opt_out_status
from hub.messaging.contacts.opt_out_status import OptOut
from hub.messaging.track import link_opens
from hub.models import Message, Signer, SigningRequest
from hub.signing import (
    chat_invitations,
    people,
    reminder_times,
    reminders,
    scheduled_invitations,
    stopping,
    turns,
)

Skipped = dict[tuple[str, str], list[str]]  # sentences by role and ID in the app
TEAM = ("", "")
ROLES = {PersonRole.SENDER: "Sender", PersonRole.OBSERVER: "Observer"}


class RequestPeople:
    """The people of a request, with the messages to each."""

    def __init__(
        self,
        row: SigningRequest,
        newest_first: Sequence[Message],
        lines: dict[str, MessageListRow],
        skipped: Skipped,
    ) -> None:
        self._row = row
        self._lines = lines
        self._skipped = skipped
        self._facts = signer_timeline.read_skipped(list(lines))
        self._opens = link_opens.read_opens(list(lines))
        invitation = scheduled_invitations.find_invitation(row)
        self._uninvited = scheduled_invitations.find_uninvited(row) if invitation else frozenset()
        self._stopped_steps = stopping.list_stopped_steps(
            {message.step_id for message in newest_first if message.step_id}
        )
        self._messages: dict[str | None, list[Message]] = {}
        for message in reversed(newest_first):
            self._messages.setdefault(message.signer_id, []).append(message)

    def signers(self) -> list[dict[str, Any]]:
        """Return the signers in the order of their turns, removed ones last."""
        row = self._row
        in_turn = len({signer.turn for signer in row.signers}) > 1  # otherwise, all sign at once
        return [
            {**self._person(signer), "turn": signer.turn if in_turn else 0}
            for signer in [*row.signers, *people.list_removed_signers(row)]
        ]

    def others(self) -> list[dict[str, Any]]:
        """Return the sender and the observers, as far as messages can be sent to them."""
        others = [person for person in self._row.people if person.role != PersonRole.SIGNER]
        return [
            {
                **self._person(person),
                "role": ROLES[PersonRole.read(person.role)],
            }
            for person in sorted(others, key=lambda person: person.role, reverse=True)
        ]

    def _person(self, person: Signer) -> dict[str, Any]:
        messages = self._messages.get(person.id, [])
        resendable = signer_timeline.find_resendable(messages)
        described = _describe_person(person)
        return {
            **described,
            "tried": signer_timeline.describe_series(person, messages, self._stopped_steps),
            "entries": signer_timeline.list_entries(
                person, messages, self._lines, self._facts, self._opens
            ),
            "is_invited": person.id not in self._uninvited,
            "resends": channel_title(resendable.channel) if resendable else "",
            "may_stop": bool(described["next_reminder_at"])
            or any(_is_unfinished(message) for message in messages),
            "skipped": self._skipped.get((person.role, person.external_id), []),
        }


def _is_unfinished(message: Message) -> bool:
    """Return whether a message waits, or another step may follow it."""
    return message.status == Status.QUEUED or message.escalate_at is not None


def _describe_person(signer: Signer) -> dict[str, Any]:
    chats: list[str] = []
    try:
        details = signer.details or {}
        chats = chat_invitations.list_chat_titles(signer)
    except DecryptionError as error:
        details = {"name": f"{signer.external_id} (encrypted with the missing key {error.key_id})"}
    addresses = [
        address for address in (details.get("mobile_number"), details.get("email")) if address
    ]
    return {
        "id": signer.id,
        "has_not_signed": (
            SignerState.read(signer.state).has_not_signed and signer.removed_at is None
        ),
        "removed_at": signer.removed_at,
        "waits_for_turn": _waits_for_turn(signer),
        "snoozed_until": signer.snoozed_until if reminders.is_snoozed(signer) else None,
        "stopped_at": signer.reminders_stopped_at,
        "next_reminder_at": _next_reminder_at(signer),
        "name": details.get("name") or details.get("email") or signer.external_id,
        "state": signer.state,
        "at": signer.state_at if signer.state != SignerState.PENDING else None,
        "addresses": addresses,
        "opt_outs": opt_out_descriptions.describe_opt_outs(_opt_outs(signer, addresses)),
        "chats": chats,
    }


def _waits_for_turn(signer: Signer) -> bool:
    """Return whether other signers sign first, so that a signer was not invited yet."""
    request = signer.request
    return (
        request.state == RequestState.OPEN
        and request.sent_at is not None
        and signer.invited_at is None
        and signer.removed_at is None
        and SignerState.read(signer.state).has_not_signed
        and signer.role == PersonRole.SIGNER
        and signer not in turns.signers_in_turn(request.signers)
    )


def _next_reminder_at(signer: Signer) -> datetime | None:
    try:
        return reminder_times.next_reminder_at(signer)
    except DecryptionError:
        return None


def _opt_outs(signer: Signer, addresses: list[str]) -> list[OptOut]:
    contacts = db.session.scalars(
        select(Message.contact_id).where(Message.signer_id == signer.id).distinct()
    ).all()
    request = signer.request
    return opt_out_status.opt_outs_of_person(
        addresses, contacts, test=request.test, source_id=request.source_id
    )
