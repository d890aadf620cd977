"""The contract between Signpost and a provider's product.

Attributes say what it is, a few methods say what it does, everything else has a default. Values in
and out are frozen dataclasses; an integration never sees models, the database, the queue or Flask's
request.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, ClassVar, Self, TypeVar

from wtforms import Form, PasswordField

from hub.core.data_dir import SimulatorCredentials
from hub.core.errors import BadWebhook
from hub.core.vocabulary import Address, Channel
from hub.integrations._by_country import ByCountry
from hub.integrations._help import with_help
from hub.integrations._rate import with_rate
from hub.integrations._values import (
    Accepted,
    Attached,
    Button,
    ButtonPress,
    Card,
    CheckResult,
    Content,
    Fact,
    Filled,
    Inbound,
    Linked,
    OptChange,
    Outbound,
    Problem,
    StatusUpdate,
    TemplateFound,
    Unrecognized,
    WebhookRequest,
)
from hub.lib.provider_http import Door

__all__ = [
    "Accepted",
    "Attached",
    "Button",
    "ButtonPress",
    "ByCountry",
    "Card",
    "CheckResult",
    "ConfigForm",
    "Content",
    "Fact",
    "Filled",
    "Inbound",
    "Integration",
    "Linked",
    "OptChange",
    "Outbound",
    "Problem",
    "SecretField",
    "StatusUpdate",
    "TemplateFound",
    "Unrecognized",
    "WebhookRequest",
    "action",
    "webhook",
]

F = TypeVar("F", bound=Callable[..., Any])


# ── Settings ──────────────────────────────────────────────────────────────────────────────────────
class ConfigForm(Form):
    """The settings of an integration, declared once.

    A field's `render_kw` may hold `legend`, which begins a group.
    """


class SecretField(PasswordField):
    """A setting that is never shown again; left blank it keeps the stored value.

    `bound_to` names the fields that it belongs to: when one of them changes, the secret is asked
    for again.
    """

    stored: bool = False  # a page that shows the form says here whether a value is stored,
    kept: str = ""  # and what was typed before it is shown again, sealed

    def __init__(
        self, label: str, validators: Any = (), bound_to: tuple[str, ...] = (), **options: Any
    ) -> None:
        super().__init__(label, validators, **options)
        self.bound_to = bound_to


def webhook(path: str) -> Callable[[F], F]:
    """Declare that a method reads the requests at /api/rpc/webhooks/<path>; `{connection}` stands
    for a slug.
    """

    def mark(method: F) -> F:
        method.webhook_path = path  # type: ignore[attr-defined]
        return method

    return mark


def action(title: str) -> Callable[[F], F]:
    """Declare that a method is a button on the connection's page; it returns the sentence to show,
    or raises a SendError.

    It is given the address where webhooks of its connection arrive, '' when it declares none.
    """

    def mark(method: F) -> F:
        method.action_title = title  # type: ignore[attr-defined]
        return method

    return mark


# ── The integration ───────────────────────────────────────────────────────────────────────────────
class Integration:
    """One provider's product.

    One thread-safe instance per connection and version of its settings.
    """

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
    # the steps of setting it up; **bold** and `code` are marked so
    guide: ClassVar[tuple[str, ...]] = ()
    icon: ClassVar[str] = ""  # a file of static/icons; default: the channel's
    # integrations of one family have accounts in common, and read each other's webhooks
    family: ClassVar[str] = ""
    status_path: ClassVar[str] = ""  # of `webhooks`, where statuses of messages are reported

    # its rules
    channel: ClassVar[Channel]
    address: ClassVar[Address] = Address.PHONE
    # on channel `chat`: by which of a person's addresses it writes to them alone; CHAT: to those
    # who opened its `invite`; None: to nobody
    finds_by: ClassVar[Address | None] = None
    event_prefix: ClassVar[str]  # of platform events, such as sms in sms_delivered
    session_window: ClassVar[float] = 0  # hours of free text after a person's message; 0: always
    # whether the provider answers STOP, START and HELP by itself; None: people cannot write back
    answers_keywords: ClassVar[bool | None] = None
    # codes with which the provider says that the recipient replied STOP to this sender: a START
    # lifts that again
    stop_codes: ClassVar[frozenset[str]] = frozenset()
    consent_required: ClassVar[bool] = False
    counts_segments: ClassVar[bool] = False
    max_length: ClassVar[int] = 100_000  # of a text, as `length_of` counts
    length_unit: ClassVar[str] = "characters"  # what `length_of` counts
    max_post_length: ClassVar[int] = 0  # of the text beside a card; 0: three quarters of max_length
    max_template_length: ClassVar[int] = 100_000  # of an approved template, filled
    # content type → the most bytes of a file that goes along; empty: none does
    media: ClassVar[Mapping[str, int]] = {}
    per_second: ClassVar[float] = 0  # messages of one sender; 0: no limit
    # the provider's usual limit; with it, or with per_second, the form asks for another
    rate_hint: ClassVar[str] = ""
    # messages a second of one sender to one recipient; 0: no limit
    per_recipient: ClassVar[float] = 0
    concurrency: ClassVar[int] = 64  # calls at once, for each connection
    # calls for one message, when each was surely not accepted; mostly its expiry ends them
    retries: ClassVar[int] = 200
    resend_unknown: ClassVar[bool] = False  # True: rather twice than not at all
    # True: `check` posts something that people see, for want of another way
    checks_visibly: ClassVar[bool] = False
    # of a webhook, in lower case: those that `facts` reads
    kept_headers: ClassVar[tuple[str, ...]] = ()
    # the response header that names a request in the provider's logs
    request_ref_header: ClassVar[str] = ""

    api: ClassVar[Mapping[str, str]] = {}
    Form: ClassVar[type[ConfigForm]] = ConfigForm
    webhooks: ClassVar[Mapping[str, str]] = {}  # path → method, filled from @webhook
    actions: ClassVar[Mapping[str, str]] = {}  # method → title, filled from @action

    def __init_subclass__(cls) -> None:
        # in the order of the code
        names = dict.fromkeys(name for base in reversed(cls.__mro__) for name in vars(base))
        members = [(name, member) for name in names if callable(member := getattr(cls, name, None))]
        cls.webhooks = {m.webhook_path: name for name, m in members if hasattr(m, "webhook_path")}
        cls.actions = {name: m.action_title for name, m in members if hasattr(m, "action_title")}
        if "name" in vars(cls) and (cls.per_second or cls.rate_hint):
            cls.Form = with_rate(cls.Form, cls.per_second, cls.rate_hint)
        if "name" in vars(cls) and cls.answers_keywords is False:
            cls.Form = with_help(cls.Form)

    def __init__(
        self, settings: Mapping[str, Any], door: Door, api: Mapping[str, str] | None = None
    ) -> None:
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

    @classmethod
    def senders_of(cls, settings: Mapping[str, Any]) -> tuple[str, ...]:
        """Return everything that messages may be sent from, and written to: `sender_of`, and those
        that some recipients are for.
        """
        return (cls.sender_of(settings),)

    @classmethod
    def chooses_sender(cls, sender: str) -> bool:
        """Tell whether a sender is a pool, from which the provider chooses: what people write then
        names one that we do not know.
        """
        return False

    # teams
    @classmethod
    def place_of(cls, settings: Mapping[str, Any]) -> str:
        """Return where a team reads what is posted, as `clean_address` writes it: plain text, no
        secret; '' when it is for people only.
        """
        return ""

    @classmethod
    def finds_people(cls, place: str) -> bool:
        """Tell whether a connection with this place can write to people at all; by what, `finds_by`
        says.
        """
        return cls.finds_by is not None

    @classmethod
    def keeps_threads(cls, place: str) -> bool:
        """Tell whether posts at a place go on in the thread that an `Accepted` named."""
        return False

    @classmethod
    def edits_posts(cls, place: str) -> bool:
        """Tell whether a post at a place can be changed later, by its provider's id."""
        return False

    # sending
    @classmethod
    def kind_of(cls, address: str) -> Address:
        """Return what kind of address this is, in normal form."""
        return cls.address

    @classmethod
    def recipient_form(cls, address: str) -> str:
        """Return a recipient's address, given in normal form, as the provider wants it written."""
        return address

    def other_sender(self, to: str) -> str:
        """Return what a message to this recipient is sent from, as `sender_of` writes it, where
        that is not the usual one; else ''.
        """
        return ""

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
    def length_of(cls, text: str) -> int:
        """Count a text as the provider counts it against `max_length`."""
        return len(text)

    @classmethod
    def clean_address(cls, address: str) -> str:
        """Return the normal form of a recipient. Raises ValueError that says why not."""
        raise NotImplementedError

    def find(self, message: Outbound, since: datetime) -> list[Accepted]:
        """After an unknown outcome: what the provider has that is this message, or may be; empty
        means it is not there.

        What belongs to other messages of ours is subtracted by the caller. Raises a SendError when
        it cannot tell.
        """
        raise NotImplementedError

    def fetch_status(self, provider_id: str) -> StatusUpdate:
        """Ask the provider what became of a message."""
        raise NotImplementedError

    def templates(self) -> list[TemplateFound]:
        """Return every template that the provider keeps for this account."""
        raise NotImplementedError

    def subscribe(self, here: str) -> str:
        """Let the provider send its webhooks to `here`; returns the sentence to show.

        Done again, it repairs what went wrong.
        """
        raise NotImplementedError

    def invite(self, token: str, *, team: bool = False) -> str:
        """Return the link that a person opens to be written to by this connection: `Linked` brings
        the token back. `team`: into a group.
        """
        raise NotImplementedError

    def file(self, url: str) -> tuple[str, bytes]:
        """Return a file that a person sent: content type and content.

        `url` stood in an Inbound. Raises a SendError.
        """
        raise NotImplementedError

    @classmethod
    def can(cls, power: str) -> bool:
        """Tell whether an optional power (`find`, `fetch_status`…) is there."""
        return getattr(cls, power) is not getattr(Integration, power)

    @classmethod
    def reports(cls) -> bool:
        """Tell whether more is ever heard of a message that was handed over: the provider says it,
        or can be asked.
        """
        return bool(cls.status_path) or cls.can("fetch_status")

    @classmethod
    def explain(cls, code: str) -> Problem | None:
        """Say what one of the provider's codes means, or None when it is not known."""
        return None

    @classmethod
    def demo_settings(cls, credentials: SimulatorCredentials) -> dict[str, Any] | None:
        """Return the settings of a connection to the simulator's account, or None when it has none
        for this provider.
        """
        return None

    # receiving
    @classmethod
    def account(cls, request: WebhookRequest) -> str:
        """Return whose webhook this claims to be; nothing is trusted before `verify`."""
        return ""

    @classmethod
    def probe(cls, request: WebhookRequest) -> tuple[str, str] | None:
        """Return the answer to a request by which the provider only tests the address; None for
        every other request.

        It comes without a signature, with GET or POST, and nothing of it is stored.
        """
        return None

    def verify(self, request: WebhookRequest) -> None:
        """Raise BadWebhook unless this connection's secret proves the request genuine."""
        raise BadWebhook("This integration takes no webhooks.")

    @classmethod
    def stray(cls, environ: Mapping[str, str], door: Door) -> Self | None:
        """Return an instance that verifies webhooks whose account belongs to no connection, if one
        is set up.
        """
        return None

    @classmethod
    def receipt_key(cls, request: WebhookRequest) -> tuple[str, str]:
        """Return what a webhook is about and what it says of it: a second one with the same pair is
        a repeat.
        """
        return hashlib.sha256(request.body).hexdigest(), ""

    def facts(self, request: WebhookRequest) -> list[Fact]:
        """Read a genuine webhook; pure."""
        found: list[Fact] = getattr(self, self.webhooks[request.path])(request)
        return found

    @classmethod
    def answer(cls, request: WebhookRequest, new: bool) -> tuple[str, str]:
        """Return what to say to the provider: content type and text.

        `new` is False for a repeat.
        """
        return "application/json", '{"success": true}'

    @classmethod
    def clicked(cls, request: WebhookRequest) -> tuple[str, ...]:
        """Return the tokens of all clicked buttons, those of other apps included."""
        return ()

    @classmethod
    def answer_foreign(cls, request: WebhookRequest) -> tuple[str, str]:
        """Return what to say to the provider where none of the `clicked` buttons is one of this
        hub's.
        """
        return cls.answer(request, True)
