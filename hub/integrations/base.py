"""The contract between Signpost and a provider's product.

Class attributes describe the product (`product`), and a few methods do the work. Everything else
has a default.
Arguments and results are frozen dataclasses: an integration never sees models, the database, the
queue or Flask's request.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from hub.core.data_dir import SimulatorCredentials
from hub.core.errors import SendError
from hub.core.vocabulary import Address, Status
from hub.integrations.declared_defaults import complete_errors, complete_form
from hub.integrations.error_table import ErrorTable
from hub.integrations.listed_messages import find_matches
from hub.integrations.message_texts import MessageTexts
from hub.integrations.product import Product
from hub.integrations.provider_requests import NO_ERRORS
from hub.integrations.senders_by_country import SendersByCountry
from hub.integrations.settings_fields import (
    ConfigForm,
    SecretField,
    joined_settings,
    required_secret,
)
from hub.integrations.values import (
    Accepted,
    AttachedFile,
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
    SourceEvent,
    StatusUpdate,
    TemplateInfo,
    Unrecognized,
    WebhookEvent,
    WebhookRequest,
)
from hub.lib import phones
from hub.lib.provider_http import ProviderHttpClient, record_exchanges

__all__ = [
    "Accepted",
    "AttachedFile",
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
    "SourceEvent",
    "StatusUpdate",
    "TemplateInfo",
    "Unrecognized",
    "WebhookEvent",
    "WebhookRequest",
    "action",
    "required_secret",
]

F = TypeVar("F", bound=Callable[..., Any])


def action(title: str) -> Callable[[F], F]:
    """Show a button on the connection's page that calls the method.

    The method receives the URL for webhooks of its connection, or '' if it declares none. It
    returns the sentence to show, or raises a SendError.
    """

    def mark(method: F) -> F:
        method.action_title = title  # type: ignore[attr-defined]
        return method

    return mark


class Integration(MessageTexts, Product):
    """One provider's product: what `Product` declares, and the methods that do the work.

    One thread-safe instance per connection and version of its settings.
    """

    def __init_subclass__(cls) -> None:
        # in the order of the code
        names = dict.fromkeys(name for base in reversed(cls.__mro__) for name in vars(base))
        members = [(name, member) for name in names if callable(member := getattr(cls, name, None))]
        cls.webhooks = {m.webhook_path: name for name, m in members if hasattr(m, "webhook_path")}
        cls.actions = {name: m.action_title for name, m in members if hasattr(m, "action_title")}
        if cls.webhooks and not cls.receives_webhooks:
            raise TypeError(
                f"{cls.__name__} declares a webhook, so it must inherit from WebhookReceiver."
            )
        if "name" in vars(cls):
            cls.provider = cls.provider or getattr(cls, "title", "")
            cls.event_prefix = cls.event_prefix or re.sub("[^a-z]", "", cls.name)
            complete_form(cls)
            complete_errors(cls, is_declared=cls.errors is not NO_ERRORS)

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

    # read from the settings when they are saved
    @classmethod
    def account_of(cls, settings: Mapping[str, Any]) -> str:
        """Return the account of the settings, which webhooks name."""
        return joined_settings(settings, cls.account_setting)

    @classmethod
    def senders_of(cls, settings: Mapping[str, Any]) -> Senders:
        """Return the senders of messages. They are stored in plain text."""
        return Senders(joined_settings(settings, cls.sender_setting))

    # teams
    @classmethod
    def destination_of(cls, settings: Mapping[str, Any]) -> str:
        """Return a team's channel or chat in the form of `clean_address`, or '' for people only.

        It is stored in plain text, so it must not be a secret.
        """
        return str(settings.get(cls.destination_setting) or "")

    @classmethod
    def destination_label(cls, destination: str) -> str:
        """Return words for a destination on pages, if the stored one means little to people."""
        return destination

    @classmethod
    def reaches_people(cls, destination: str) -> bool:
        """Return whether a connection with this destination can also send direct messages.

        `direct_address_kind` is the kind of address that it needs for them.
        """
        return cls.direct_address_kind is not None

    @classmethod
    def keeps_threads(cls, destination: str) -> bool:
        """Return whether posts at a destination can continue the thread of an `Accepted`."""
        return False

    @classmethod
    def edits_posts(cls, destination: str) -> bool:
        """Return whether a post at a destination can be changed later, by its provider ID."""
        return False

    # sending
    @classmethod
    def kind_of(cls, address: str) -> Address:
        """Return the kind of an address in normal form."""
        return cls.address

    @classmethod
    def recipient_form(cls, address: str) -> str:
        """Convert a recipient's address from the normal form to the form that the provider uses."""
        return address

    def check(self) -> CheckResult:
        """Test the settings with a harmless call. Raises a SendError if the call fails."""
        raise NotImplementedError

    def run_check(self) -> CheckResult:
        """Test the settings, and report a SendError of `check` as a failed test."""
        with record_exchanges() as exchanges:
            try:
                return self.check()
            except SendError as error:
                table = self.errors
                if table is NO_ERRORS:
                    table = ErrorTable(self.provider, {})
                return table.failed_check(
                    error, exchanges, reference=self.request_ref_header, settings=self.settings
                )

    def send(self, message: Outbound) -> Accepted:
        """Send a message to the provider, in one attempt. Raises a SendError."""
        raise NotImplementedError

    def render(self, message: Outbound) -> dict[str, Any]:
        """Return the provider's payload for a message, without side effects."""
        raise NotImplementedError

    @classmethod
    def clean_address(cls, address: str) -> str:
        """Return the normal form of a recipient's address. Raises ValueError with the reason."""
        if cls.address == Address.PHONE:
            return phones.parse_strict(address)
        text = address.strip()
        if not cls.address_pattern or not re.fullmatch(cls.address_pattern, text):
            raise ValueError(cls.address_rule)
        return text

    def find(self, message: Outbound, since: datetime) -> list[Accepted]:
        """Return the provider's messages that are or may be this one, after an unknown outcome.

        An empty list means that the provider does not have it. The caller removes matches of other
        messages. Raises a SendError if the provider cannot tell.
        """
        raise NotImplementedError

    def matches(
        self,
        listed: Iterable[Mapping[str, Any]],
        message: Outbound,
        since: datetime,
        *,
        fields: Sequence[str],
        time_field: str,
    ) -> list[Accepted]:
        """Return those of the provider's listed messages that are `message`, for `find`.

        The `fields` are the same in its payload, and its `time_field` is not before `since`.
        """
        found = find_matches(listed, self.render(message), since, fields, time_field)
        status = Status.ACCEPTED if self.reports else self.accepted_status
        return [Accepted(self.require_id(entry), status) for entry in found]

    def fetch_status(self, provider_id: str) -> StatusUpdate:
        """Fetch the current status of a message from the provider."""
        raise NotImplementedError

    def withdraw(self, provider_id: str) -> StatusUpdate:
        """Ask the provider to cancel a message that no one has received; return its status.

        Raises a PermanentError if it is too late, and another SendError to be called again.
        """
        raise NotImplementedError

    def fetch_templates(self) -> list[TemplateInfo]:
        """Return all templates of this account from the provider."""
        raise NotImplementedError

    def subscribe(self, webhook_url: str) -> str:
        """Set the URL of webhooks at the provider; return the sentence to show.

        A repeated call repairs the setting.
        """
        raise NotImplementedError

    def invite(self, token: str, *, team: bool = False) -> str:
        """Return a link with which a person starts a chat with this connection.

        A `ChatLinked` event then returns the token. With `team`, the link adds a group.
        """
        raise NotImplementedError

    def read_mailbox(self, store: Callable[[bytes], None]) -> int:
        """Pass each new email to `store`, which keeps it as a webhook; return how many there were.

        Mark an email as read after `store` returned. Raises a SendError.
        """
        raise NotImplementedError

    @staticmethod
    def preview_html(message: Outbound) -> str:
        """Return a message as HTML, as a page shows it to admins. It loads nothing."""
        raise NotImplementedError

    def fetch_file(self, url: str) -> tuple[str, bytes]:
        """Return the content type and the content of a file that a person sent.

        `url` is that of an `Attachment`. Raises a SendError.
        """
        raise NotImplementedError

    @classmethod
    def supports(cls, power: str) -> bool:
        """Return whether an optional method, such as `find` or `fetch_status`, is implemented."""
        return getattr(cls, power) is not getattr(Integration, power)

    @classmethod
    def explain(cls, code: str) -> Problem | None:
        """Explain one of the provider's codes. Returns None for an unknown code."""
        return None if cls.errors is NO_ERRORS else cls.errors.explain(code)

    @classmethod
    def demo_settings(cls, credentials: SimulatorCredentials) -> dict[str, Any] | None:
        """Return settings for the simulator's account, or None if it has none for the provider."""
        return None
