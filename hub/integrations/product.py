"""The declarations of an integration about a product: its texts, its rules and its limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from hub.core.vocabulary import Address, Channel, Feedback, Status
from hub.integrations.error_table import ErrorTable
from hub.integrations.provider_requests import NO_ERRORS, ProviderRequests
from hub.integrations.settings_fields import ConfigForm
from hub.lib.text import segments


class Product(ProviderRequests):
    """The class attributes of an integration. Those without a value are required."""

    # the version of the contract that the integration was written for; see
    # docs/integration-names.md
    contract: ClassVar[int]

    # `name` is the module's name and never changes; the others are the texts on its card
    name: ClassVar[str]
    title: ClassVar[str]
    provider: ClassVar[str] = ""  # the company, as the subject of sentences; "": the title
    summary: ClassVar[str]
    docs_url: ClassVar[str]
    reach: ClassVar[str]
    cost: ClassVar[str]
    setup: ClassVar[str]
    formatting: ClassVar[str] = "Plain text"
    buttons: ClassVar[str] = "No"
    # the steps of the setup, with **bold** and `code`
    guide: ClassVar[tuple[str, ...]] = ()
    icon: ClassVar[str] = ""  # a file in static/icons; default: the channel's
    # integrations of one family share accounts, and read each other's webhooks
    family: ClassVar[str] = ""
    # True: the status of a message changes after `send`, by a webhook or by `fetch_status`
    reports: ClassVar[bool]
    # True: READ is among the statuses that the provider reports, for some messages at least
    may_report_read: ClassVar[bool] = False
    # DELIVERED and READ, if nearly every message that arrives or is read gets the status. The steps
    # of a route wait only for these: without a report they would act although the message arrived.
    reliable_statuses: ClassVar[frozenset[Status]] = frozenset({Status.DELIVERED})
    # without reports: DELIVERED if the provider's response means that the message is visible
    accepted_status: ClassVar[Status] = Status.SENT
    # what webhooks report about a message beside its status; a complaint opts the recipient out
    feedback: ClassVar[tuple[Feedback, ...]] = ()
    # other statuses of messages, which only handlers receive, by the provider's name: the meaning
    handler_statuses: ClassVar[Mapping[str, str]] = {}
    # the same for the messages of people
    handler_receipts: ClassVar[Mapping[str, str]] = {}
    # what webhooks report beside `feedback`, DELIVERED and FAILED: the name of an event without its
    # prefix → the meaning
    own_events: ClassVar[Mapping[str, str]] = {}
    # one of `webhooks`; its URL is sent with each message for status callbacks
    status_path: ClassVar[str] = ""
    errors: ClassVar[ErrorTable] = NO_ERRORS  # the error codes of the provider

    # rules and limits
    channel: ClassVar[Channel]
    address: ClassVar[Address] = Address.PHONE
    # other addresses than phone numbers: a pattern of the whole, and the sentence for all others
    address_pattern: ClassVar[str] = ""
    address_rule: ClassVar[str] = "This is not an address of the provider."
    # settings that `senders_of`, `account_of` and `destination_of` return; several are joined to
    # one text, such as dana@chat.example
    sender_setting: ClassVar[str | tuple[str, ...]] = ""
    account_setting: ClassVar[str | tuple[str, ...]] = ""
    destination_setting: ClassVar[str] = ""
    # on channel `chat`: the kind of address for direct messages to a person; CHAT: only to people
    # who opened an `invite` link; None: no direct messages
    direct_address_kind: ClassVar[Address | None] = None
    # of platform events, such as sms in sms_delivered; "": the letters of `name`
    event_prefix: ClassVar[str] = ""
    session_window: ClassVar[float] = 0  # hours of free text after a person's message; 0: always
    # whether the provider replies to STOP, START and HELP itself; None: people cannot reply
    replies_to_keywords: ClassVar[bool | None] = None
    # error codes for a recipient who replied STOP to this sender; a START removes that opt-out
    stop_codes: ClassVar[frozenset[str]] = frozenset()
    # codes of RecipientRefused that say that an address cannot be reached. All others count as the
    # person's own wish, after which a route tries no other phone channel.
    unreachable_codes: ClassVar[frozenset[str]] = frozenset()
    consent_required: ClassVar[bool] = False
    # times of day between which no message is sent, by the recipient's clock; (): no such hours
    never_between: ClassVar[tuple[str, ...]] = ()
    counts_segments: ClassVar[bool] = False
    max_post_length: ClassVar[int] = 0  # of text beside a card; 0: three quarters of max_length
    max_template_length: ClassVar[int] = 100_000  # of an approved template, filled
    # content type → maximum bytes of an attached file; empty: no files
    media: ClassVar[Mapping[str, int]] = {}
    # True: `send` gets the content of uploaded files. A file at a URL is sent as a link.
    attaches_files: ClassVar[bool] = False
    per_second: ClassVar[float] = 0  # messages per second of one sender; 0: no limit
    burst: ClassVar[float] = 0  # messages that a sender may send at once after a pause
    # describes the provider's usual limit; with it, or with per_second, the form has a rate setting
    rate_hint: ClassVar[str] = ""
    # messages per second of one sender to one recipient; 0: no limit
    per_recipient: ClassVar[float] = 0
    concurrency: ClassVar[int] = 64  # simultaneous calls per connection
    # calls per message that certainly failed; usually the message expires before
    retries: ClassVar[int] = 200
    # seconds between these calls, the last one repeated; (): doubled from 1 to 600 seconds
    retry_schedule: ClassVar[tuple[float, ...]] = ()
    lifetime: ClassVar[float] = 24  # hours until a message that could not be sent expires
    # True: messages need the sender of the request and the language, which are stored with them
    uses_letterhead: ClassVar[bool] = False
    prefers_templates: ClassVar[bool] = False  # True: a mapped template always replaces the text
    # True: a message with an unknown outcome is sent again, even if it may then arrive twice
    resend_unknown: ClassVar[bool] = False
    # True: `check` posts a visible message, because the provider offers no other test
    checks_visibly: ClassVar[bool] = False
    # codes of messages that failed because of the sender's setup: pages show them as a warning
    sender_faults: ClassVar[frozenset[str]] = frozenset()
    # whether a demo starts with a connection, if `demo_settings` returns an account
    starts_in_demo: ClassVar[bool] = True
    # the response header with the ID of a request in the provider's logs
    request_ref_header: ClassVar[str] = ""

    api: ClassVar[Mapping[str, str]] = {}
    Form: ClassVar[type[ConfigForm]] = ConfigForm
    receives_webhooks: ClassVar[bool] = False  # True of every WebhookReceiver
    # True of every SourceIntegration: it reports events of a signing app, and sends nothing
    is_source: ClassVar[bool] = False
    webhooks: ClassVar[Mapping[str, str]] = {}  # path → method, filled from @webhook
    actions: ClassVar[Mapping[str, str]] = {}  # method → title, filled from @action

    @classmethod
    def billed_units(cls, text: str) -> int:
        """Return the units of a message that the prices of a connection count."""
        return max(segments(text), 1) if cls.counts_segments else 1

    @classmethod
    def waits_before_retries(cls, settings: Mapping[str, Any]) -> Sequence[timedelta]:
        """Return the waits before each retry of a message whose status has `try_again`."""
        return ()

    def max_in_progress(self) -> int:
        """The messages that the provider may have in progress at once; 0: any number.

        With a limit, one person has at most one message in progress on the channel.
        """
        return 0

    @classmethod
    def event_statuses(cls) -> tuple[Status, ...]:
        """Return the statuses that are reported as platform events."""
        if cls.own_events:
            return (Status.DELIVERED, Status.FAILED)
        return cls.reported_statuses()

    @classmethod
    def reported_statuses(cls) -> tuple[Status, ...]:
        """Return the statuses that messages can have after they were accepted."""
        if not cls.reports:
            return (cls.accepted_status, Status.FAILED)
        read = (Status.READ,) if cls.may_report_read else ()
        return (Status.SENT, Status.DELIVERED, *read, Status.FAILED, Status.UNDELIVERED)
