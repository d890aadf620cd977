"""The contract between Signpost and a provider's product.

Attributes say what it is, a few methods say what it does, everything else has a default. Values in
and out are frozen dataclasses; an integration never sees models, the database, the queue or Flask's
request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from wtforms import Form, PasswordField
from wtforms.validators import InputRequired, Regexp

from hub.core.data_dir import SimulatorCredentials
from hub.core.errors import SendError
from hub.core.vocabulary import Address, Channel
from hub.integrations import calls
from hub.integrations.error_table import ErrorTable
from hub.integrations.help_setting import with_help_setting
from hub.integrations.rate_setting import with_rate_setting
from hub.integrations.senders_by_country import SendersByCountry
from hub.integrations.values import (
    Accepted,
    Attachment,
    Button,
    ButtonPress,
    Card,
    ChatLinked,
    ChatPermission,
    CheckResult,
    Content,
    FilledTemplate,
    Inbound,
    Outbound,
    Price,
    Problem,
    Senders,
    StatusUpdate,
    TemplateInfo,
    Unrecognized,
    WebhookEvent,
    WebhookRequest,
)
from hub.lib.provider_http import ProviderHttpClient, ProviderResponse, record_exchanges

__all__ = [
    "Accepted",
    "Attachment",
    "Button",
    "ButtonPress",
    "Card",
    "ChatLinked",
    "ChatPermission",
    "CheckResult",
    "ConfigForm",
    "Content",
    "FilledTemplate",
    "Inbound",
    "Integration",
    "Outbound",
    "Price",
    "Problem",
    "SecretField",
    "Senders",
    "SendersByCountry",
    "StatusUpdate",
    "TemplateInfo",
    "Unrecognized",
    "WebhookEvent",
    "WebhookRequest",
    "action",
    "required_secret",
]

F = TypeVar("F", bound=Callable[..., Any])
NO_ERRORS = ErrorTable("The provider", {})  # of an integration that explains no codes


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


def required_secret(what: str) -> list[Any]:
    """Return the validators of a secret that has to be entered, such as "token".

    A secret has 8 to 200 visible ASCII characters, so that it can be sent in a header.
    """
    rule = f"The {what} has 8 to 200 characters, without spaces."
    return [InputRequired(f"Enter the {what}."), Regexp(r"[!-~]{8,200}\Z", message=rule)]


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

    # the version of this contract that it was written for; see docs/integration-names.md
    contract: ClassVar[int]

    # who it is: `name` is the module's name and never changes; the rest are the words on its card
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
    # True: the status of a message changes after `send`, by a webhook or by `fetch_status`
    reports: ClassVar[bool]
    # one of `webhooks`, whose address is sent with each message for its status callbacks
    status_path: ClassVar[str] = ""
    errors: ClassVar[ErrorTable] = NO_ERRORS  # its error codes

    # its rules
    channel: ClassVar[Channel]
    address: ClassVar[Address] = Address.PHONE
    # on channel `chat`: by which of a person's addresses it writes to them alone; CHAT: to those
    # who opened its `invite`; None: to nobody
    direct_address_kind: ClassVar[Address | None] = None
    event_prefix: ClassVar[str]  # of platform events, such as sms in sms_delivered
    session_window: ClassVar[float] = 0  # hours of free text after a person's message; 0: always
    # whether the provider answers STOP, START and HELP by itself; None: people cannot write back
    replies_to_keywords: ClassVar[bool | None] = None
    # codes with which the provider says that the recipient replied STOP to this sender: a START
    # lifts that again
    stop_codes: ClassVar[frozenset[str]] = frozenset()
    consent_required: ClassVar[bool] = False
    counts_segments: ClassVar[bool] = False
    max_length: ClassVar[int] = 100_000  # of a text, as `length_of` counts
    length_unit: ClassVar[str] = "characters"  # what `length_of` counts
    max_post_length: ClassVar[int] = 0  # of the text beside a card; 0: three quarters of max_length
    max_template_length: ClassVar[int] = 100_000  # of an approved template, filled
    # content type → the most bytes of an attached file; empty: no files
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
    # the response header that names a request in the provider's logs
    request_ref_header: ClassVar[str] = ""

    api: ClassVar[Mapping[str, str]] = {}
    Form: ClassVar[type[ConfigForm]] = ConfigForm
    receives_webhooks: ClassVar[bool] = False  # True of every WebhookReceiver
    webhooks: ClassVar[Mapping[str, str]] = {}  # path → method, filled from @webhook
    actions: ClassVar[Mapping[str, str]] = {}  # method → title, filled from @action

    def __init_subclass__(cls) -> None:
        # in the order of the code
        names = dict.fromkeys(name for base in reversed(cls.__mro__) for name in vars(base))
        members = [(name, member) for name in names if callable(member := getattr(cls, name, None))]
        cls.webhooks = {m.webhook_path: name for name, m in members if hasattr(m, "webhook_path")}
        cls.actions = {name: m.action_title for name, m in members if hasattr(m, "action_title")}
        if cls.webhooks and not cls.receives_webhooks:
            raise TypeError(
                f"{cls.__name__} declares a webhook, so it has to be a WebhookReceiver."
            )
        if "name" in vars(cls) and (cls.per_second or cls.rate_hint):
            cls.Form = with_rate_setting(cls.Form, cls.per_second, cls.rate_hint)
        if "name" in vars(cls) and cls.replies_to_keywords is False:
            cls.Form = with_help_setting(cls.Form)

    def __init__(
        self,
        settings: Mapping[str, Any],
        http: ProviderHttpClient,
        api: Mapping[str, str] | None = None,
    ) -> None:
        self.settings = dict(settings)
        self.http = http
        self.api_urls = {**self.api, **(api or {})}
        self.senders = self.senders_of(self.settings)

    # what is filled at save
    @classmethod
    def account_of(cls, settings: Mapping[str, Any]) -> str:
        """Return whose account the settings are, to find connections by a webhook's hint."""
        return ""

    @classmethod
    def senders_of(cls, settings: Mapping[str, Any]) -> Senders:
        """Return what messages are sent from. It is stored in plain text."""
        return Senders()

    # teams
    @classmethod
    def destination_of(cls, settings: Mapping[str, Any]) -> str:
        """Return where a team reads what is posted, as `clean_address` writes it: plain text, no
        secret; '' when it is for people only.
        """
        return ""

    @classmethod
    def reaches_people(cls, place: str) -> bool:
        """Tell whether a connection with this destination can write to people at all.

        `direct_address_kind` says by which of their addresses.
        """
        return cls.direct_address_kind is not None

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

    def check(self) -> CheckResult:
        """Test the settings with a harmless call. Raises a SendError when that call fails."""
        raise NotImplementedError

    def run_check(self) -> CheckResult:
        """Test the settings, and report a SendError of `check` as a failed test."""
        with record_exchanges() as exchanges:
            try:
                return self.check()
            except SendError as problem:
                table = self.errors
                if table is NO_ERRORS:
                    table = ErrorTable(self.provider, {})
                return table.failed_check(problem, exchanges, reference=self.request_ref_header)

    def call(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | str | None = None,
        content: Any = None,
        hidden: str = "",
    ) -> ProviderResponse:
        """Make one request to the provider and return its response, whatever the HTTP status.

        `content` is sent as JSON in place of `body`. `hidden` is a secret part of the URL's path.
        Raises Unreachable and OutcomeUnknown.
        """
        return calls.call(
            self.http,
            self.provider,
            method,
            url,
            headers=headers,
            body=body,
            content=content,
            hidden=hidden,
        )

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

    def fetch_templates(self) -> list[TemplateInfo]:
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

    def fetch_file(self, url: str) -> tuple[str, bytes]:
        """Return a file that a person sent: content type and content.

        `url` stood in an Inbound. Raises a SendError.
        """
        raise NotImplementedError

    @classmethod
    def supports(cls, power: str) -> bool:
        """Tell whether an optional power (`find`, `fetch_status`…) is there."""
        return getattr(cls, power) is not getattr(Integration, power)

    @classmethod
    def explain(cls, code: str) -> Problem | None:
        """Explain one of the provider's codes. Returns None for an unknown code."""
        return None if cls.errors is NO_ERRORS else cls.errors.explain(code)

    @classmethod
    def demo_settings(cls, credentials: SimulatorCredentials) -> dict[str, Any] | None:
        """Return the settings of a connection to the simulator's account, or None when it has none
        for this provider.
        """
        return None
