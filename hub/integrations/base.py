"""The contract between Signpost and a provider's product.

Attributes say what it is, a few methods say what it does, everything else has a default. Values in and out are frozen
dataclasses; an integration never sees models, the database, the queue or Flask's request.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any, ClassVar, Self, TypeVar
from urllib.parse import parse_qs, parse_qsl

from wtforms import Form, PasswordField

from hub import phones
from hub.datadir import SimulatorCredentials
from hub.errors import BadWebhook
from hub.http import Door
from hub.integrations._rate import with_rate
from hub.vocabulary import Address, Channel, Status

F = TypeVar("F", bound=Callable[..., Any])


# ── What goes in ────────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True)
class Outbound:
    """One message to hand over: `id` msg_…, `attempt` from 1, `to` in the integration's normal form."""

    id: str
    attempt: int
    to: str
    text: str
    subject: str = ""
    html: str = ""
    template: Mapping[str, Any] | None = None
    media: tuple[str, ...] = ()
    buttons: tuple[Mapping[str, str], ...] = ()
    locale: str = "en"
    thread: str = ""
    edits: str = ""  # the provider's id of an earlier message to change
    expires_at: datetime | None = None
    status_url: str = ""  # where the provider reports; names message and attempt
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def country(self) -> str:
        """The ISO 3166 code of the country of a phone number, '' where it says none."""
        return phones.region(self.to) if self.to.startswith("+") else ""


@dataclass(frozen=True)
class WebhookRequest:
    """A provider's request. `url` is the address that the provider called, built from our public address; `path` as declared."""

    method: str
    url: str
    path: str
    headers: Mapping[str, str]  # lower-case names
    body: bytes
    connection: str = ""  # the {connection} part of the path

    @cached_property
    def form(self) -> dict[str, str]:
        """The fields of a form body, the last value of each."""
        return {name: value.replace("\0", "") for name, value in self.fields}  # a NUL cannot be stored everywhere

    @cached_property
    def fields(self) -> list[tuple[str, str]]:
        """All fields of a form body, in order, blank ones kept."""
        if not self.body or not self.headers.get("content-type", "").lower().startswith("application/x-www-form-urlencoded"):
            return []
        try:  # strictly: where names and values are signed in one string, a lost "=" must not go unnoticed
            text = self.body.decode("ascii")
            return parse_qsl(text, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=500)
        except ValueError:
            raise BadWebhook("The body is not a form.") from None

    @cached_property
    def query(self) -> dict[str, str]:
        """The parameters of the URL, the last value of each."""
        return {name: values[-1] for name, values in parse_qs(self.url.partition("?")[2], keep_blank_values=True).items()}


# ── What comes out ──────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True)
class Accepted:
    """The provider took it. `sender` is what it was asked to send from, where that is worth keeping."""

    provider_id: str
    status: Status = Status.ACCEPTED
    thread: str = ""
    segments: int | None = None
    price: Decimal | None = None
    sender: str = ""
    sure: bool = True  # of `find`: False when it may be another message


@dataclass(frozen=True)
class CheckResult:
    """What a harmless call found, in words for an admin."""

    ok: bool
    title: str  # one sentence
    text: str = ""  # what follows from it
    steps: tuple[str, ...] = ()  # what to do, in order
    warnings: tuple[str, ...] = ()
    field: str = ""  # the setting at fault
    code: str = ""  # the provider's own
    answer: str = ""  # what the provider said, free of secrets


@dataclass(frozen=True)
class Fact:
    """One thing learnt. `message_id` and `attempt` when the webhook's address named them, `provider_id` when its body did."""

    message_id: str = ""
    attempt: int = 0
    provider_id: str = ""
    at: datetime | None = None


@dataclass(frozen=True)
class StatusUpdate(Fact):
    """A provider's word on a message; `status` None is kept and changes nothing."""

    status: Status | None = None
    word: str = ""
    code: str = ""
    why: str = ""
    segments: int | None = None
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Problem:
    """What a provider's code means: a sentence, what to do, where the provider says more."""

    code: str
    text: str
    remedy: str = ""
    url: str = ""


# ── Settings ────────────────────────────────────────────────────────────────────────────────────────────────
class ConfigForm(Form):
    """The settings of an integration, declared once. A field's `render_kw` may hold `legend`, which begins a group."""


class SecretField(PasswordField):
    """A setting that is never shown again; left blank it keeps the stored value.

    `bound_to` names the fields that it belongs to: when one of them changes, the secret is asked for again.
    """

    stored: bool = False  # a page that shows the form says here whether a value is stored,
    kept: str = ""  # and what was typed before it is shown again, sealed

    def __init__(self, label: str, validators: Any = (), bound_to: tuple[str, ...] = (), **options: Any) -> None:
        super().__init__(label, validators, **options)
        self.bound_to = bound_to


def webhook(path: str) -> Callable[[F], F]:
    """Declare that a method reads the requests at /api/rpc/webhooks/<path>; `{connection}` stands for a slug."""

    def mark(method: F) -> F:
        method.webhook_path = path  # type: ignore[attr-defined]
        return method

    return mark


def action(title: str) -> Callable[[F], F]:
    """Declare that a method is a button on the connection's page; it returns the sentence to show."""

    def mark(method: F) -> F:
        method.action_title = title  # type: ignore[attr-defined]
        return method

    return mark


# ── The integration ─────────────────────────────────────────────────────────────────────────────────────────
class Integration:
    """One provider's product. One thread-safe instance per connection and version of its settings."""

    # who it is: `name` is the module's name and stored for ever; the rest are the words on its card
    name: ClassVar[str]
    title: ClassVar[str]
    provider: ClassVar[str]  # the company, as the subject of sentences
    summary: ClassVar[str]
    docs_url: ClassVar[str]
    reach: ClassVar[str]
    cost: ClassVar[str]
    setup: ClassVar[str]
    formatting: ClassVar[str] = "Plain text"
    buttons: ClassVar[str] = "No"
    guide: ClassVar[tuple[str, ...]] = ()  # the steps of setting it up; **bold** and `code` are marked so
    icon: ClassVar[str] = ""  # a file of static/icons; default: the channel's
    status_path: ClassVar[str] = ""  # of `webhooks`, where statuses of messages are reported

    # its rules
    channel: ClassVar[Channel]
    address: ClassVar[Address] = Address.PHONE
    event_prefix: ClassVar[str]  # of platform events, such as sms in sms_delivered
    session_window: ClassVar[float] = 0  # hours of free text after a person's message; 0: always
    consent_required: ClassVar[bool] = False
    counts_segments: ClassVar[bool] = False
    max_length: ClassVar[int] = 100_000
    per_second: ClassVar[float] = 0  # messages of one sender; 0: no limit
    rate_hint: ClassVar[str] = ""  # what the provider usually takes; with it, or with per_second, the form asks for another limit
    per_recipient: ClassVar[float] = 0  # messages a second of one sender to one recipient; 0: no limit
    concurrency: ClassVar[int] = 64  # calls at once, for each connection
    retries: ClassVar[int] = 200  # calls for one message, when each was surely not accepted; mostly its expiry ends them
    resend_unknown: ClassVar[bool] = False  # True: rather twice than not at all
    request_ref_header: ClassVar[str] = ""  # the response header that names a request in the provider's logs

    api: ClassVar[Mapping[str, str]] = {}
    Form: ClassVar[type[ConfigForm]] = ConfigForm
    webhooks: ClassVar[Mapping[str, str]] = {}  # path → method, filled from @webhook
    actions: ClassVar[Mapping[str, str]] = {}  # method → title, filled from @action

    def __init_subclass__(cls) -> None:
        members = inspect.getmembers(cls, callable)
        cls.webhooks = {m.webhook_path: name for name, m in members if hasattr(m, "webhook_path")}
        cls.actions = {name: m.action_title for name, m in members if hasattr(m, "action_title")}
        if "name" in vars(cls) and (cls.per_second or cls.rate_hint):
            cls.Form = with_rate(cls.Form, cls.per_second, cls.rate_hint)

    def __init__(self, settings: Mapping[str, Any], door: Door, api: Mapping[str, str] | None = None) -> None:
        self.settings = dict(settings)
        self.door = door
        self.api_urls = {**self.api, **(api or {})}

    # what is filled at save
    @classmethod
    def account_of(cls, settings: Mapping[str, Any]) -> str:
        """Return whose account the settings are, to find connections by a webhook's hint."""
        return ""

    @classmethod
    def sender_of(cls, settings: Mapping[str, Any]) -> str:
        """Return what messages are sent from: connections of one sender share its limits."""
        return ""

    # sending
    def check(self) -> CheckResult:
        """Prove the settings with a harmless call."""
        raise NotImplementedError

    def send(self, message: Outbound) -> Accepted:
        """Hand a message over, once. Raises a SendError."""
        raise NotImplementedError

    def render(self, message: Outbound) -> dict[str, Any]:
        """Return the provider's payload; pure."""
        raise NotImplementedError

    @classmethod
    def clean_address(cls, address: str) -> str:
        """Return the normal form of a recipient. Raises ValueError that says why not."""
        raise NotImplementedError

    def find(self, message: Outbound, since: datetime) -> list[Accepted]:
        """After an unknown outcome: what the provider has that is this message, or may be; empty means it is not there.

        What belongs to other messages of ours is subtracted by the caller. Raises a SendError when it cannot tell.
        """
        raise NotImplementedError

    def fetch_status(self, provider_id: str) -> StatusUpdate:
        """Ask the provider what became of a message."""
        raise NotImplementedError

    @classmethod
    def can(cls, power: str) -> bool:
        """Tell whether an optional power (`find`, `fetch_status`…) is there."""
        return getattr(cls, power) is not getattr(Integration, power)

    @classmethod
    def explain(cls, code: str) -> Problem | None:
        """Say what one of the provider's codes means, or None when it is not known."""
        return None

    @classmethod
    def demo_settings(cls, credentials: SimulatorCredentials) -> dict[str, Any] | None:
        """Return the settings of a connection to the simulator's account, or None when it has none for this provider."""
        return None

    # receiving
    @classmethod
    def account(cls, request: WebhookRequest) -> str:
        """Return whose webhook this claims to be; nothing is trusted before `verify`."""
        return ""

    def verify(self, request: WebhookRequest) -> None:
        """Raise BadWebhook unless this connection's secret proves the request genuine."""
        raise BadWebhook("This integration takes no webhooks.")

    @classmethod
    def stray(cls, environ: Mapping[str, str], door: Door) -> Self | None:
        """Return an instance that verifies webhooks whose account belongs to no connection, if one is set up."""
        return None

    @classmethod
    def receipt_key(cls, request: WebhookRequest) -> tuple[str, str]:
        """Return what a webhook is about and what it says of it: a second one with the same pair is a repeat."""
        return hashlib.sha256(request.body).hexdigest(), ""

    def facts(self, request: WebhookRequest) -> list[Fact]:
        """Read a genuine webhook; pure."""
        found: list[Fact] = getattr(self, self.webhooks[request.path])(request)
        return found

    @classmethod
    def answer(cls, request: WebhookRequest, new: bool) -> tuple[str, str]:
        """Return what to say to the provider: content type and text. `new` is False for a repeat."""
        return "application/json", '{"success": true}'
