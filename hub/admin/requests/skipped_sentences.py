"""Describe why messages of a request were not sent: each reason once for each person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import select

from hub.admin.requests.request_people import Skipped
from hub.admin.view.status_badges import channel_title
from hub.connections import signing_apps
from hub.core.errors import DecryptionError
from hub.core.vocabulary import PHONE_CHANNELS, Channel, PersonRole, RequestState, SignerState
from hub.db.engine import db
from hub.messaging.compose.plan import REASONS
from hub.models import Event, Signer, SigningRequest
from hub.signing import team_subscriptions

MAX_EVENTS = 200  # of a request that are read
NOT_IN_TURN = "not_their_turn"  # the state of the signer shows it, and later it is outdated
NO_ADDRESS = "no_address"
CONNECTION_OFF = "connection_off"
# reasons that concern all channels, so that the channel of the skipped step is not the cause
OF_ALL_CHANNELS = frozenset(
    {
        "already_signed",
        "link_expired",
        "not_invited",
        "outdated",
        "own_action",
        "reminded_recently",
        "repeated",
        "request_closed",
        "request_completed",
        "request_expired",
        "snoozed",
    }
)
ADDRESS_TITLES = {
    **dict.fromkeys(PHONE_CHANNELS, "mobile number"),
    Channel.EMAIL: "email address",
}
MESSAGE_TITLES = {
    "request.sent": "Signing request",
    "request.viewed": "Opened notification",
    "request.signed": "Signed notification",
    "request.declined": "Declined notification",
    "request.completed": "Completed notification",
    "request.reminder": "Reminder",
    "request.expired": "Expired notification",
    "request.canceled": "Canceled notification",
}
Person = tuple[str, str]  # the role and the ID in the app
Cause = tuple[str, str]  # the reason, and the kind of a missing address


def describe_skipped(row: SigningRequest) -> Skipped:
    """Return the messages of a request that were not sent, with the reasons, by person."""
    return describe_items(row, _read_items(row))


def describe_items(row: SigningRequest, items: Iterable[tuple[str, Mapping[str, Any]]]) -> Skipped:
    """Return sentences about skipped steps, each with the type of its event, by person."""
    # by person and cause: the channels of the skipped steps, by the type of the event
    found: dict[Person, dict[Cause, dict[str, list[str]]]] = {}
    for event_type, item in items:
        if item["reason"] not in REASONS or item["reason"] == NOT_IN_TURN:
            continue
        # events of version 0.2.0 name no role
        role = (item.get("role") or PersonRole.SIGNER) if item["signer"] else ""
        causes = found.setdefault((role, item["signer"]), {})
        channels = causes.setdefault(_cause(item), {}).setdefault(event_type, [])
        if item["step"] not in channels:
            channels.append(item["step"])
    people = {(person.role, person.external_id): person for person in row.people}
    return {
        person: list(
            dict.fromkeys(
                sentence
                for cause, channels in causes.items()
                for sentence in _describe_cause(row, people.get(person), cause, channels)
            )
        )
        for person, causes in found.items()
    }


def _read_items(row: SigningRequest) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the skipped steps of the newest events, the oldest event first."""
    newest = select(Event).where(Event.request_id == row.id).order_by(Event.id.desc())
    for event in reversed(db.session.scalars(newest.limit(MAX_EVENTS)).all()):
        try:
            skipped = event.skipped or []
        except DecryptionError:
            continue
        for item in skipped:
            yield event.type, item


def _cause(item: Mapping[str, Any]) -> Cause:
    is_address = item["reason"] == NO_ADDRESS and item["step"] in ADDRESS_TITLES
    return item["reason"], ADDRESS_TITLES[Channel(item["step"])] if is_address else ""


# ── Sentences ─────────────────────────────────────────────────────────────────────────────────────
def _describe_cause(
    row: SigningRequest,
    person: Signer | None,
    cause: Cause,
    channels_by_type: Mapping[str, Sequence[str]],
) -> Iterator[str]:
    """Yield a sentence for the messages that the same cause has prevented on the same channels."""
    reason, address = cause
    if reason == CONNECTION_OFF:
        for event_type in channels_by_type:
            titles = team_subscriptions.disabled_connection_titles(event_type)
            yield f"Not posted to {', '.join(titles) or 'the team'}: not enabled."
        return
    types_by_channels: dict[tuple[str, ...], list[str]] = {}
    for event_type, steps in channels_by_type.items():
        channels = () if reason in OF_ALL_CHANNELS else tuple(steps)
        types_by_channels.setdefault(channels, []).append(event_type)
    for channels, types in types_by_channels.items():
        titles = [channel_title(channel) for channel in channels]
        if address:
            text = f"{_join_titles(types)} not sent by {_join(titles, 'or')}"
            yield f"{text}: the signer has no {address}.{_remedy(row, channels)}"
        else:
            note = f" ({', '.join(titles)})" if titles else ""
            yield f"{_join_titles(types)} not sent{note}. {_describe_reason(row, person, reason)}"


def _remedy(row: SigningRequest, channels: Iterable[str]) -> str:
    """Return how to add an address, or '' if the signing app knows no mobile numbers."""
    needs_phone = any(channel in PHONE_CHANNELS for channel in channels)
    if needs_phone and not signing_apps.has_phone_numbers(row.source_id):
        return ""
    return " Add one in the signing app."


def _join_titles(types: Sequence[str]) -> str:
    first, *others = [MESSAGE_TITLES.get(event_type, event_type) for event_type in types]
    return _join([first, *(title.lower() for title in others)], "and")


def _join(words: Sequence[str], conjunction: str) -> str:
    """Return words as a list: `A`, `A and B` or `A, B and C`."""
    *others, last = words
    return f"{', '.join(others)} {conjunction} {last}" if others else last


def _describe_reason(row: SigningRequest, person: Signer | None, reason: str) -> str:
    """Return a reason with the state of the request or of the person, as it is now."""
    if reason == "request_closed":
        if row.state == RequestState.OPEN:
            return "The request had ended. It is open again."
        return f"The request is {row.state}."
    if reason == "already_signed" and person is not None:
        state = SignerState.read(person.state)
        if state == SignerState.SIGNED:
            return "The signer has signed."
        if state == SignerState.DECLINED:
            return "The signer has declined to sign."
    return REASONS[reason]
