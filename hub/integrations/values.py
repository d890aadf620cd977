"""Frozen values that integrations receive and return. They know nothing of the hub's own rows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs, parse_qsl

from hub.core.errors import BadWebhook, SendError
from hub.core.vocabulary import Address, Channel, ContentKind, Status
from hub.lib import phones
from hub.lib.storable import is_storable, json_object, make_storable
from hub.lib.text import readable


def _clean(value: Any, **texts: Any) -> None:
    """Replace texts of a frozen value that is being made."""
    for name, text in texts.items():
        object.__setattr__(value, name, text)


def _line(text: str) -> str:
    return text if text.isprintable() else readable(text).replace("\n", " ")


# ── What goes in ──────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True)
class FilledTemplate:
    """A provider's approved template, by the provider's id, with what its variables stand for."""

    id: str
    variables: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _clean(self, variables={name: _line(value) for name, value in self.variables.items()})


@dataclass(frozen=True)
class Button:
    """A button: a link to `url`, or, with a `token`, an action that is performed once.

    A provider whose buttons call back gives the token back as it was, 1 to 64 of `A-Za-z0-9_-`.
    Elsewhere `url` leads to a page that asks and then does the same.
    """

    text: str
    url: str
    token: str = ""
    style: str = ""  # primary, danger or ''

    def __post_init__(self) -> None:
        _clean(self, text=_line(self.text), url=_line(self.url))


@dataclass(frozen=True)
class Card:
    """A card about a signing request for a team, beside the text. Its texts have any length and
    alphabet.
    """

    title: str
    facts: tuple[tuple[str, str], ...] = ()  # label and value
    notes: tuple[str, ...] = ()  # small print: who did what

    def __post_init__(self) -> None:
        facts = tuple((_line(label), _line(value)) for label, value in self.facts)
        _clean(self, title=_line(self.title), facts=facts, notes=tuple(map(_line, self.notes)))


@dataclass(frozen=True)
class Outbound:
    """One message to send: `id` msg_…, `attempt` from 1, `to` in the integration's normal form.

    No text in it holds a control character, or one that reorders the text around it: whatever an
    integration makes of it is free of them.
    """

    id: str
    attempt: int
    to: str
    text: str
    subject: str = ""
    html: str = ""
    template: FilledTemplate | None = None  # to be sent instead of text and media
    media: tuple[str, ...] = ()  # addresses where the provider fetches attached files
    files: tuple[str, ...] = ()  # which of our own files those are
    # those in media that Signpost does not serve: checked before the message is sent
    external_media: tuple[str, ...] = ()
    card: Card | None = None
    buttons: tuple[Button, ...] = ()
    locale: str = "en"
    thread: str = ""  # as an Accepted named it: what this one goes on with
    edits: str = ""  # the provider's id of an earlier message, which takes this content instead
    reply_to: str = ""  # as the ButtonPress named it that this answers
    expires_at: datetime | None = None
    status_url: str = ""  # where the provider reports; names message and attempt

    def __post_init__(self) -> None:
        _clean(self, text=readable(self.text), html=readable(self.html))
        _clean(self, subject=_line(self.subject))

    @property
    def country(self) -> str:
        """The ISO 3166 code of the country of a phone number, '' where it says none."""
        return phones.region(self.to) if self.to.startswith("+") else ""


@dataclass(frozen=True)
class WebhookRequest:
    """A provider's request.

    `url` is the address that the provider called, built from our public address; `path` as
    declared.
    """

    method: str
    url: str
    path: str
    headers: Mapping[str, str]  # lower-case names
    body: bytes
    connection: str = ""  # the {connection} part of the path

    @cached_property
    def form(self) -> dict[str, str]:
        """Return the fields of a form body as texts that can be stored, the last value of each."""
        fields = self.fields
        if is_storable("".join([name + value for name, value in fields])):
            return dict(fields)
        return {make_storable(name): make_storable(value) for name, value in fields}

    @cached_property
    def fields(self) -> list[tuple[str, str]]:
        """Return all fields of a form body as they were signed, in order, blank ones included."""
        if not self.body or not self.headers.get("content-type", "").lower().startswith(
            "application/x-www-form-urlencoded"
        ):
            return []
        # strictly: where names and values are signed in one string, a lost "=" must not go
        # unnoticed
        try:
            text = self.body.decode("ascii")
            return parse_qsl(
                text,
                keep_blank_values=True,
                strict_parsing=True,
                errors="strict",
                max_num_fields=500,
            )
        except ValueError:
            raise BadWebhook("The body is not a form.") from None

    @cached_property
    def json(self) -> dict[str, Any]:
        """Return the object of a JSON body, its texts made storable; {} for any other body."""
        return json_object(self.body)

    @cached_property
    def query(self) -> dict[str, str]:
        """Return the parameters of the URL as texts that can be stored, the last value of each."""
        found = parse_qs(self.url.partition("?")[2], keep_blank_values=True)
        return {make_storable(name): make_storable(values[-1]) for name, values in found.items()}


@dataclass(frozen=True)
class Senders:
    """The senders of a connection: numbers, names or pools, as the provider writes them.

    Connections with the same `default` share its rate limits and its opt-outs.
    """

    default: str = ""
    # ISO 3166 code of a country → what sends to phone numbers there, in place of the default
    by_country: Mapping[str, str] = field(default_factory=dict)
    # the default is a pool: the provider chooses one of its numbers for each recipient, so replies
    # may name a number that is not known here
    is_pool: bool = False

    @property
    def all(self) -> tuple[str, ...]:
        """Return everything that messages are sent from, the default first."""
        return tuple(dict.fromkeys((self.default, *self.by_country.values())))

    def country_sender(self, address: str) -> str:
        """Return the sender for the country of a phone number, "" where the default applies."""
        if not self.by_country or not address.startswith("+"):
            return ""
        return self.by_country.get(phones.region(address), "")


# ── What comes out ────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True)
class Price:
    """The price of one message, in a currency named by its ISO 4217 code, such as USD."""

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        if not re.fullmatch("[A-Z]{3}", self.currency):
            raise ValueError("A price needs the three capital letters of its currency.")


@dataclass(frozen=True)
class Accepted:
    """The provider took it.

    `sender` is what it was asked to send from, where that is worth keeping.

    A `status` of FAILED or UNDELIVERED with a `code` says that it took the message and could not
    send it.
    """

    provider_id: str  # '' where the provider names none
    status: Status = Status.ACCEPTED
    thread: str = ""
    segments: int | None = None
    price: Price | None = None
    sender: str = ""
    sure: bool = True  # of `find`: False when it may be another message
    code: str = ""  # the provider's own, of an accepted message that failed
    reason: str = ""  # a sentence
    outside_window: bool = False  # only an approved template may be sent
    # what `send` raises for this code; its scope may reach beyond this message
    error: SendError | None = None


@dataclass(frozen=True)
class CheckResult:
    """The result of a harmless test call, in words for an admin."""

    ok: bool
    title: str  # one sentence
    text: str = ""  # what follows from it
    steps: tuple[str, ...] = ()  # what to do, in order
    warnings: tuple[str, ...] = ()
    field: str = ""  # the setting at fault
    code: str = ""  # the provider's own
    response: str = ""  # what the provider said, free of secrets


@dataclass(frozen=True)
class WebhookEvent:
    """One thing learnt.

    `message_id` and `attempt` when the webhook's address named them, `provider_id` when its body
    did.
    """

    message_id: str = ""
    attempt: int = 0
    provider_id: str = ""
    at: datetime | None = None


@dataclass(frozen=True)
class StatusUpdate(WebhookEvent):
    """A provider's report about a message; a `status` of None is stored and changes nothing."""

    status: Status | None = None
    provider_status: str = ""  # in the provider's own words
    code: str = ""
    reason: str = ""  # a sentence
    segments: int | None = None
    price: Price | None = None
    # the provider took free text, and says now that only an approved template may go
    outside_window: bool = False
    error: SendError | None = None  # as in `Accepted`
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Attachment:
    """A file that came with a person's message: where the provider keeps it, and what it says it
    is.
    """

    url: str
    content_type: str


@dataclass(frozen=True)
class Content:
    """A content other than text and files. Each kind has the fields that its meaning names."""

    kind: ContentKind
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Inbound(WebhookEvent):
    """A message that a person sent to us; `provider_id` is the provider's name for it.

    `address` is "" where the message names nobody who could be answered: it is then shown as from
    an unknown sender, called by `name`, and makes no contact.

    `senders` are the names, as `senders_of` writes them, of what it was sent to: the first that a
    connection sends from takes it in.
    """

    channel: Channel = Channel.SMS
    senders: tuple[str, ...] = ()
    kind: Address = Address.PHONE
    address: str = ""  # in normal form
    # by which the provider knows the same person, where that is not the address; the two are linked
    external_id: str = ""
    name: str = ""  # as the person calls themselves
    text: str = ""
    media: tuple[Attachment, ...] = ()
    contents: tuple[Content, ...] = ()
    button: str = ""  # what the button that they pressed stands for
    in_reply_to: str = ""  # the provider's id of the message of ours that it answers
    # stop, start or help, where the provider has read the message as that and answered it
    keyword: str = ""


@dataclass(frozen=True)
class Unrecognized(WebhookEvent):
    """A genuine webhook of a kind that the integration does not read."""

    description: str = ""  # a sentence


@dataclass(frozen=True)
class ButtonPress(WebhookEvent):
    """A button of ours was pressed. `reply_to` is handed back with the message that answers it."""

    token: str = ""
    name: str = ""  # of the person, as the provider shows it
    reply_to: str = ""


@dataclass(frozen=True)
class ChatPermission(WebhookEvent):
    """A chat or person allowed or blocked our messages, by other means than a message.

    `team` when many people read there.
    """

    allowed: bool = False
    address: str = ""  # in normal form
    kind: Address = Address.CHAT
    reason: str = ""  # a sentence
    team: bool = False


@dataclass(frozen=True)
class ChatLinked(WebhookEvent):
    """A person opened the link that `invite` made, so that we may write to this chat; `team` when
    many read there.
    """

    token: str = ""
    address: str = ""  # in normal form
    name: str = ""
    team: bool = False


@dataclass(frozen=True)
class TemplateInfo:
    """One of a provider's templates.

    `state` is the provider's word: only an `approved` one may be sent.
    """

    id: str
    name: str
    locale: str
    state: str
    category: str = ""
    kind: str = ""
    reason: str = ""  # why it was rejected
    text: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)  # with a sample of each


@dataclass(frozen=True)
class Problem:
    """The meaning of a provider's code: a sentence, the remedy and a link to the provider."""

    code: str
    text: str
    remedy: str = ""
    url: str = ""
