"""Frozen values that integrations receive and return. They know nothing of the hub's own rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from hub.core.errors import SendError
from hub.core.vocabulary import Address, Channel, ContentKind, Feedback, Status
from hub.integrations.attached_file import AttachedFile as AttachedFile
from hub.integrations.branding import NO_BRANDING, Branding
from hub.integrations.source_events import SourceEvent as SourceEvent
from hub.integrations.source_events import SourcePerson as SourcePerson
from hub.integrations.template_values import FilledTemplate as FilledTemplate
from hub.integrations.template_values import TemplateInfo as TemplateInfo
from hub.integrations.webhook_event import WebhookEvent as WebhookEvent
from hub.integrations.webhook_request import WebhookRequest as WebhookRequest
from hub.lib import phones
from hub.lib.text import one_line, readable


def _clean(value: Any, **texts: Any) -> None:
    """Replace fields of a frozen value during its construction."""
    for name, text in texts.items():
        object.__setattr__(value, name, text)


# ── Arguments of integrations ─────────────────────────────────────────────────────────────────────
@dataclass(frozen=True)
class Button:
    """A button: a link to `url`, or, with a `token`, an action that is performed once.

    A provider with interactive buttons returns the token unchanged: 1 to 64 of `A-Za-z0-9_-`. For
    other providers, `url` opens a page that asks for confirmation and then performs the action.
    """

    text: str
    url: str
    token: str = ""
    style: str = ""  # primary, danger or ''

    def __post_init__(self) -> None:
        _clean(self, text=one_line(self.text), url=one_line(self.url))


@dataclass(frozen=True)
class Card:
    """A card about a signing request for a team, in addition to the text.

    Its texts may have any length and alphabet.
    """

    title: str
    facts: tuple[tuple[str, str], ...] = ()  # label and value
    notes: tuple[str, ...] = ()  # small print, such as who did what

    def __post_init__(self) -> None:
        facts = tuple((one_line(label), one_line(value)) for label, value in self.facts)
        _clean(
            self, title=one_line(self.title), facts=facts, notes=tuple(map(one_line, self.notes))
        )


@dataclass(frozen=True)
class Outbound:
    """One message to send: `id` msg_…, `attempt` from 1, `to` as `recipient_form` returns it.

    `address` is the recipient in normal form, by default the same.
    Its texts contain no control characters, and none that reorder the text around them.
    """

    id: str
    attempt: int
    to: str
    text: str
    subject: str = ""
    html: str = ""
    template: FilledTemplate | None = None  # sent instead of text and media
    media: tuple[str, ...] = ()  # URLs where the provider fetches attached files
    files: tuple[str, ...] = ()  # the IDs of those that the hub stores
    # those that other servers store; they are checked before the message is sent
    external_media: tuple[str, ...] = ()
    # the content of the stored files: only for integrations with `attaches_files`
    attachments: tuple[AttachedFile, ...] = ()
    card: Card | None = None
    buttons: tuple[Button, ...] = ()
    locale: str = "en"
    request: str = ""  # the ID of the signing request that it is about
    # the sender of that request: only for integrations with `uses_letterhead`
    sender_name: str = ""
    sender_address: str = ""
    branding: Branding = NO_BRANDING
    reminds: bool = False  # it reminds the recipient of an earlier message
    unsubscribe_url: str = ""  # a page that opts the recipient out, also by one POST (RFC 8058)
    thread: str = ""  # the thread to continue, from an Accepted
    edits: str = ""  # the provider ID of an earlier message whose content this one replaces
    reply_to: str = ""  # from the ButtonPress that this message responds to
    expires_at: datetime | None = None
    status_url: str = ""  # for status callbacks; contains the message and the attempt
    address: str = ""

    def __post_init__(self) -> None:
        _clean(self, address=self.address or self.to)
        _clean(self, text=readable(self.text), html=readable(self.html))
        _clean(self, subject=one_line(self.subject), sender_name=one_line(self.sender_name))

    @property
    def reference(self) -> str:
        """The ID and the attempt, for a field that webhooks repeat. `read_reference` reads it."""
        return f"{self.id}.{self.attempt}"

    @property
    def country(self) -> str:
        """The ISO 3166 code of the country of a phone number, or '' if it has none."""
        return phones.region(self.address) if self.address.startswith("+") else ""


@dataclass(frozen=True)
class Senders:
    """The senders of a connection: numbers, names or pools, in the provider's form.

    Connections with the same `default` share its rate limits and its opt-outs.
    """

    default: str = ""
    # ISO 3166 code of a country → the sender for phone numbers there, instead of the default
    by_country: Mapping[str, str] = field(default_factory=dict)
    # the default is a pool: the provider chooses a number for each recipient, so replies may name
    # a number that is not configured
    is_pool: bool = False

    @property
    def all(self) -> tuple[str, ...]:
        """Return all senders, the default first."""
        return tuple(dict.fromkeys((self.default, *self.by_country.values())))

    def country_sender(self, address: str) -> str:
        """Return the sender for the country of a phone number, or "" for the default."""
        if not self.by_country or not address.startswith("+"):
            return ""
        return self.by_country.get(phones.region(address), "")


# ── Results of integrations ───────────────────────────────────────────────────────────────────────
@dataclass(frozen=True)
class Price:
    """The price of one message, with the ISO 4217 code of its currency, such as USD."""

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        if not re.fullmatch("[A-Z]{3}", self.currency):
            raise ValueError("A price needs a three-letter currency code, such as USD.")

    @classmethod
    def read(cls, amount: Any, currency: Any) -> Price | None:
        """Return the price in a provider's response, or None if it contains none.

        The sign is removed, because some providers report a charge as a negative amount.
        """
        text = str(amount)
        if isinstance(amount, bool) or not re.fullmatch(r"-?[0-9]{1,6}(\.[0-9]{1,10})?", text):
            return None
        if not re.fullmatch("[A-Z]{3}", str(currency)):
            return None
        return cls(Decimal(text.lstrip("-")), str(currency))

    @classmethod
    def total(cls, prices: Iterable[Price | None]) -> Price | None:
        """Return the sum of prices, or None if one is not known, or their currencies differ."""
        known = list(prices)
        currencies = {price.currency if price else "" for price in known}
        if len(currencies) != 1 or "" in currencies:
            return None
        return cls(sum((price.amount for price in known if price), Decimal(0)), currencies.pop())


@dataclass(frozen=True)
class Accepted:
    """A message that the provider accepted.

    `sender` is the sender that was requested, if it should be stored. A `status` of FAILED or
    UNDELIVERED, with a `code`, means that the provider accepted the message and then failed.
    """

    provider_id: str  # '' if the provider returns no ID
    status: Status = Status.ACCEPTED
    thread: str = ""
    segments: int | None = None
    price: Price | None = None
    sender: str = ""
    sure: bool = True  # for `find`: False if it may be another message
    code: str = ""  # the provider's error code
    reason: str = ""  # the cause of the error
    event: str = ""  # one of the integration's `own_events`, reported in place of the status
    outside_window: bool = False  # only an approved template may be sent
    # the error that `send` raises for this code; it may concern more than this message
    error: SendError | None = None


@dataclass(frozen=True)
class CheckResult:
    """The result of a harmless test call, in sentences for an admin."""

    ok: bool
    title: str  # one sentence
    text: str = ""  # the consequences
    steps: tuple[str, ...] = ()  # the remedy, in order
    warnings: tuple[str, ...] = ()
    field: str = ""  # the setting at fault
    code: str = ""  # the provider's error code
    response: str = ""  # describes the provider's response, without secrets
    destination: str = ""  # the name of the team's channel or chat, if the provider reports it


def read_reference(text: Any) -> dict[str, Any]:
    """Return `message_id` and `attempt` of a `reference` in a webhook, as fields of its event."""
    match = re.fullmatch(r"(msg_[\w-]{1,60})\.([0-9]{1,5})", str(text), re.ASCII)
    return {"message_id": match[1], "attempt": int(match[2])} if match else {}


@dataclass(frozen=True)
class StatusUpdate(WebhookEvent):
    """A status of a message. A `status` of None is stored, and does not change the message."""

    status: Status | None = None
    provider_status: str = ""  # the provider's name of the status
    code: str = ""  # the provider's error code
    reason: str = ""  # the cause of the error
    segments: int | None = None
    price: Price | None = None
    # the provider accepted free text, and now requires an approved template
    outside_window: bool = False
    error: SendError | None = None  # see `Accepted`
    feedback: Feedback | None = None  # one of the integration's `feedback`
    # one of the integration's `handler_statuses`, beside the `status`
    handler_status: str = ""
    event: str = ""  # one of the integration's `own_events`, reported in place of the status
    try_again: bool = False  # the integration's `waits_before_retries` say when
    free: bool = False  # the provider charges nothing for the message
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Attachment:
    """A file of a person's message: its URL at the provider, and the stated content type.

    A `url` of "" stands for a file in the webhook itself, which `read_file` reads.
    """

    url: str
    content_type: str
    name: str = ""

    def __post_init__(self) -> None:
        _clean(self, name=one_line(self.name))


@dataclass(frozen=True)
class Content:
    """A content other than text and files. `ContentKind` lists the fields of each kind."""

    kind: ContentKind
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Inbound(WebhookEvent):
    """A message that a person sent.

    `provider_id` is the provider's ID for the message.

    `address` is "" if no reply is possible. The message is then shown as from an unknown sender
    with the given `name`, and no contact is created.

    `senders` are possible names, in the form of `senders_of`, of the number that received it. The
    first one that belongs to a connection receives the message.
    """

    channel: Channel = Channel.SMS
    senders: tuple[str, ...] = ()
    kind: Address = Address.PHONE
    address: str = ""  # in normal form
    # the provider's ID of the person, if that is not the address; both contacts are linked
    external_id: str = ""
    name: str = ""  # the name that the person chose
    text: str = ""
    media: tuple[Attachment, ...] = ()
    contents: tuple[Content, ...] = ()
    button: str = ""  # the value of the clicked button
    receipt: str = ""  # one of the integration's `handler_receipts`
    in_reply_to: str = ""  # the provider ID of the hub's message that it replies to
    # stop, start or help, if the provider recognized the keyword and replied to it
    keyword: str = ""

    @classmethod
    def between_numbers(cls, sender: Any, receiver: Any, **fields: Any) -> Inbound:
        """Return a text message to one of the connection's numbers, with or without a plus sign.

        A sender that is a name or a short code receives no replies, so it is the `name` only.
        """
        written = str(sender or "").strip()
        number = str(receiver or "").strip().removeprefix("+")
        try:
            address = phones.parse_strict(f"+{written.removeprefix('+')}")
        except ValueError:
            address = ""
        return cls(
            senders=(f"+{number}", number),
            address=address,
            name="" if address else written,
            **fields,
        )


@dataclass(frozen=True)
class Unrecognized(WebhookEvent):
    """A genuine webhook of a kind that the integration does not read."""

    description: str = ""  # a sentence


@dataclass(frozen=True)
class ButtonPress(WebhookEvent):
    """A click of a button. `reply_to` is passed to the message that responds to the click."""

    token: str = ""
    name: str = ""  # the provider's name of the person
    reply_to: str = ""


@dataclass(frozen=True)
class ChatPermission(WebhookEvent):
    """A permission to send to a chat that was granted or withdrawn, other than by a message.

    `allowed` is true if it was granted. `team` is true for a chat with several members.
    """

    allowed: bool = False
    address: str = ""  # in normal form
    kind: Address = Address.CHAT
    reason: str = ""  # a sentence
    team: bool = False


@dataclass(frozen=True)
class ChatLinked(WebhookEvent):
    """A chat that a person linked by opening an `invite` link.

    `team` is true for a chat with several members.
    """

    token: str = ""
    address: str = ""  # in normal form
    name: str = ""
    team: bool = False


@dataclass(frozen=True)
class Problem:
    """The meaning of a provider's code: its cause, its remedy and a link to the provider."""

    code: str
    text: str
    remedy: str = ""
    url: str = ""
