"""List the types of platform events that this hub can report, each with an example."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

from hub import integrations
from hub.core.vocabulary import Channel, Status
from hub.integrations.base import Integration

VERSION = 1  # of the payload; fields are added without a new version
REPORTED_STATUSES = (Status.SENT, Status.DELIVERED, Status.READ, Status.FAILED, Status.UNDELIVERED)
RECEIVED = "received"
OPTED_OUT = "opted_out"
OPTED_IN = "opted_in"
BUTTON_PRESSED = "button_pressed"
CONNECTION_BROKEN = "connection_broken"
LINK_OPENED = "link_opened"
SIGNER_NOT_REACHED = "signer_not_reached"
ENDPOINT_FAILING = "endpoint_failing"
ENDPOINT_DISABLED = "endpoint_disabled"
# every payload has these fields, in this order; a field that does not apply is null
EMPTY: Mapping[str, Any] = MappingProxyType(
    dict.fromkeys(
        (
            "id",
            "type",
            "version",
            "at",
            "source",
            "test",
            "message",
            "request",
            "request_external_id",
            "signer",
            "role",
            "connection",
            "channel",
            "status",
            "code",
            "inbound",
            "kind",
            "button",
            "result",
            "endpoint",
            "reason",
        )
    )
)
_EXAMPLE = {
    "id": "pev_0199f3b2-5d1a-7c44-8a51-3f6f5d2c9b10",
    "version": VERSION,
    "at": "2027-01-15T09:30:00.000Z",
    "source": "default",
    "test": False,
    "message": "msg_0199f3b2-4c09-7a1e-9d3a-6b1f0e8d7c55",
    "request": "req_0199f3b2-3b8e-7f02-b6c4-1d9e2a7f4e33",
    "request_external_id": "agr-1001",
    "signer": "eric",
    "role": "signer",
    "connection": "acme-us",
}
_EXAMPLE_ADDRESSES = {Channel.EMAIL: "eric@example.com"}
_INBOUND = {"inbound": "inb_0199f3b2-5cf0-7d21-8f17-2a4b6c8d9e01"}
_OWN_EVENTS = {
    BUTTON_PRESSED: "A button was used: a quick reply of a contact, or an action below a post.",
    CONNECTION_BROKEN: "A connection was paused, because its provider no longer accepts it.",
    LINK_OPENED: (
        "The short link in a message was opened for the first time. It is a hint: it does not say"
        " by whom, and a link scanner can look like a person."
    ),
    SIGNER_NOT_REACHED: (
        "No step of a route reached a signer. The message is the last one that was tried. It is"
        " null if every step was skipped."
    ),
    OPTED_OUT: "A contact opted out, or the address was blocked. The reason says how.",
    OPTED_IN: "A contact opted in, or an opt-out was removed. The reason says how.",
    ENDPOINT_FAILING: "Another endpoint has failed for 4 days, and will be disabled in a day.",
    ENDPOINT_DISABLED: "Another endpoint was disabled.",
}


@dataclass(frozen=True)
class EventKind:
    """A type of platform events: when it is reported, and a payload as an example."""

    type: str
    meaning: str
    payload: Mapping[str, Any]

    def example(self, *, with_addresses: bool = False, with_texts: bool = False) -> dict[str, Any]:
        """Return an example payload with the fields that an endpoint asks for."""
        left_out = set()
        if not with_addresses:
            left_out.add("address")
        if not with_texts:
            left_out.add("text")
        return {name: value for name, value in self.payload.items() if name not in left_out}


@cache
def event_kinds() -> Mapping[str, EventKind]:
    """Return every type of event, by name."""
    kinds: dict[str, EventKind] = {}
    for cls in integrations.registry().values():
        for kind in _kinds_of(cls):
            kinds.setdefault(kind.type, kind)
    for name, meaning in _OWN_EVENTS.items():
        kinds[name] = EventKind(name, meaning, _own_example(name))
    return MappingProxyType(dict(sorted(kinds.items())))


@cache
def handler_event_kinds() -> Mapping[str, EventKind]:
    """Return every type of event that a handler can receive, by name: more than endpoints."""
    kinds: dict[str, EventKind] = {}
    for cls in integrations.registry().values():
        for kind in _handler_kinds_of(cls):
            kinds.setdefault(kind.type, kind)
    return MappingProxyType(dict(sorted({**kinds, **event_kinds()}.items())))


@cache
def handler_statuses() -> frozenset[str]:
    """Return the statuses of messages that only handlers receive, such as `queued`."""
    declared = (name for cls in integrations.registry().values() for name in cls.handler_statuses)
    return frozenset({Status.ACCEPTED.value, *declared})


@cache
def handler_receipts() -> frozenset[str]:
    """Return the statuses of people's messages that only handlers receive, such as `receiving`."""
    registered = integrations.registry().values()
    return frozenset(name for cls in registered for name in cls.handler_receipts)


def _handler_kinds_of(cls: type[Integration]) -> Iterator[EventKind]:
    if cls.own_events:
        return  # endpoints receive all of its statuses
    title = _title_of(cls)
    if cls.reports:
        name = f"{cls.event_prefix}_{Status.ACCEPTED.value}"
        meaning = f"{title}: {Status.ACCEPTED.meaning}."
        yield EventKind(name, meaning, _status_example(name, cls, Status.ACCEPTED))
    for status, meaning in cls.handler_statuses.items():
        name = f"{cls.event_prefix}_{status}"
        example = {**_status_example(name, cls), "status": status}
        yield EventKind(name, f"{title}: {meaning}.", example)
    for status, meaning in cls.handler_receipts.items():
        name = f"{cls.event_prefix}_{status}"
        yield EventKind(name, f"{meaning}.", _received_example(name, cls))


@cache
def own_event_types() -> frozenset[str]:
    """Return the types of events that only one integration reports, such as `call_busy`."""
    return frozenset(
        f"{cls.event_prefix}_{name}"
        for cls in integrations.registry().values()
        for name in cls.own_events
    )


def _kinds_of(cls: type[Integration]) -> Iterator[EventKind]:
    title = _title_of(cls)
    for own_name, meaning in cls.own_events.items():
        name = f"{cls.event_prefix}_{own_name}"
        yield EventKind(name, f"{title}: {meaning}.", _own_status_example(name, cls, own_name))
    for status in cls.event_statuses():
        name = f"{cls.event_prefix}_{status.value}"
        yield EventKind(name, f"{title}: {status.meaning}.", _status_example(name, cls, status))
    for feedback in cls.feedback:
        name = f"{cls.event_prefix}_{feedback.value}"
        yield EventKind(name, f"{title}: {feedback.meaning}.", _status_example(name, cls))
    if cls.replies_to_keywords is not None:
        name = f"{cls.event_prefix}_{RECEIVED}"
        yield EventKind(name, "A contact sent a message.", _received_example(name, cls))


def _title_of(cls: type[Integration]) -> str:
    """Return the subject of the meaning of an integration's events."""
    return cls.title if cls.channel == Channel.CHAT else cls.channel.title


def _status_example(
    name: str, cls: type[Integration], status: Status | None = None
) -> dict[str, Any]:
    code = "30003" if status in (Status.FAILED, Status.UNDELIVERED) else None
    return {
        **EMPTY,
        **_EXAMPLE,
        "type": name,
        "channel": cls.channel.value,
        "status": status and status.value,
        "code": code,
        "address": _EXAMPLE_ADDRESSES.get(cls.channel, "+13175551234"),
        "text": "Please review & sign: https://sign.example/r/eric",
    }


def _own_status_example(name: str, cls: type[Integration], own_name: str) -> dict[str, Any]:
    return {**_status_example(name, cls), "status": own_name, "code": None}


def _received_example(name: str, cls: type[Integration]) -> dict[str, Any]:
    return {
        **EMPTY,
        **_EXAMPLE,
        "type": name,
        **_INBOUND,
        "channel": cls.channel.value,
        "kind": "text",
        "address": _EXAMPLE_ADDRESSES.get(cls.channel, "+13175551234"),
        "text": "When is the deadline?",
    }


def _own_example(name: str) -> dict[str, Any]:
    """Return the example of an event that belongs to no channel."""
    shared = {key: _EXAMPLE[key] for key in ("id", "version", "at", "source", "test")}
    about_contact = {**_EXAMPLE, **_INBOUND, "channel": "sms", "address": "+13175551234"}
    about_endpoint = {"endpoint": "whk_0199f3b2-5c77-7b3e-9c40-2d6f8a1be41c", "reason": "failures"}
    details: Mapping[str, Mapping[str, Any]] = {
        BUTTON_PRESSED: {**_EXAMPLE, "message": None, "button": "remind", "result": "done"},
        CONNECTION_BROKEN: {"connection": "acme-us", "channel": "sms"},
        LINK_OPENED: {**_EXAMPLE, "channel": "sms"},
        SIGNER_NOT_REACHED: {**_EXAMPLE, "channel": "sms", "code": "30003"},
        OPTED_OUT: {**about_contact, "reason": "keyword"},
        OPTED_IN: {**about_contact, "reason": "keyword"},
        ENDPOINT_FAILING: about_endpoint,
        ENDPOINT_DISABLED: about_endpoint,
    }
    return {**EMPTY, **shared, **details[name], "type": name}
