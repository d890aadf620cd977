"""Events of signing apps, as integrations that are sources return them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hub.core.vocabulary import EventType
from hub.integrations.webhook_event import WebhookEvent


@dataclass(frozen=True)
class SourcePerson:
    """A person of a signing request, as the signing app describes the person.

    A blank field is not known, and changes nothing that is stored. Signpost ignores an address or
    a link that it cannot use.
    """

    id: str  # the person's ID in the signing app
    name: str = ""
    email: str = ""
    phone: str = ""  # in any form; see `SourceEvent.region`
    locale: str = ""
    time_zone: str = ""
    order: int | None = None  # the person's turn to sign, from 1; None: all sign at once
    signing_url: str = ""  # the personal link to sign
    download_url: str = ""  # the personal link to the completed document
    # False: no messages to this address; both True: to both at once; None: as routes decide
    uses_email: bool | None = None
    uses_phone: bool | None = None
    observes: bool = False  # True: receives copies and does not sign


@dataclass(frozen=True)
class SourceEvent(WebhookEvent):
    """An event of a signing request in a signing app.

    `at` is the time of the event in the app, and decides if events arrive out of order. `id` names
    the event: a second one with the same ID in the same request is ignored.
    """

    type: EventType = EventType.SENT
    id: str = ""
    request: str = ""  # the request's ID in the signing app
    title: str = ""  # of the document
    sender_name: str = ""
    sender_email: str = ""
    expires_at: datetime | None = None
    url: str = ""  # where the sender's team sees the document
    people: tuple[SourcePerson, ...] = ()
    signer: str = ""  # the ID of the person who viewed, signed or declined
    # ISO 3166 code of the country of phone numbers that are written without a country code
    region: str = ""
