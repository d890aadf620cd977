"""The part of the contract for integrations whose provider sends webhooks."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self, TypeVar

from hub.core.config import MAX_BODY_SIZE
from hub.integrations.base import Integration
from hub.integrations.call_events import CallInProgress
from hub.integrations.values import Outbound, WebhookEvent, WebhookRequest
from hub.lib.provider_http import ProviderHttpClient

F = TypeVar("F", bound=Callable[..., Any])


def webhook(path: str) -> Callable[[F], F]:
    """Let a method read the requests at /api/rpc/webhooks/<path>.

    `{connection}` in the path stands for the slug of a connection.
    """

    def mark(method: F) -> F:
        method.webhook_path = path  # type: ignore[attr-defined]
        return method

    return mark


class WebhookReceiver(Integration, ABC):
    """An integration whose provider posts webhooks, to the methods marked with `webhook`.

    `verify` is required. Inherit from it alone, as in `class Pushfox(WebhookReceiver)`, or together
    with your own base class.
    """

    receives_webhooks = True
    # headers of a webhook, in lower case, that `parse_events` reads
    stored_headers: ClassVar[tuple[str, ...]] = ()
    # fields of a webhook's JSON or form that together occur once: its ID, then what it reports
    callback_fields: ClassVar[tuple[str, ...]] = ()
    max_webhook_size: ClassVar[int] = MAX_BODY_SIZE  # bytes of a body, for providers that batch
    refusal_status: ClassVar[int] = 403  # the HTTP status of webhooks that `verify` refuses
    refusal_reason: ClassVar[str] = "The signature does not match any connection of this account."

    @classmethod
    def claimed_account(cls, request: WebhookRequest) -> str:
        """Return the account that a request claims to come from, as `account_of` writes it.

        It is called before `verify`, so nothing in the request can be trusted.
        """
        return ""

    @classmethod
    def claims_accounts(cls) -> bool:
        """Return whether `claimed_account` is overridden; otherwise all connections are tried."""
        definers = (base for base in cls.__mro__ if base is not WebhookReceiver)
        return any("claimed_account" in vars(base) for base in definers)

    @classmethod
    def probe_response(cls, request: WebhookRequest) -> tuple[str, str] | None:
        """Return the response to a request that only tests the address: content type and text.

        Returns None for every other request. A test has no signature, uses GET or POST, and is not
        stored.
        """
        return None

    @abstractmethod
    def verify(self, request: WebhookRequest) -> None:
        """Raise BadWebhook unless this connection's secret proves the request genuine."""

    @classmethod
    def unassigned_verifier(
        cls, environ: Mapping[str, str], http: ProviderHttpClient
    ) -> Self | None:
        """Return an instance that verifies webhooks of accounts that no connection has.

        Returns None when no secret for them is set in the environment.
        """
        return None

    @classmethod
    def callback_key(cls, request: WebhookRequest) -> tuple[str, str]:
        """Return the subject and the detail of a webhook.

        A second webhook with the same pair is a repeat. The pair comes from `callback_fields`; it
        is the hash of the body if they name none, or if the first is missing.
        """
        fields = request.json or request.form if cls.callback_fields else {}
        subject, *details = (str(fields.get(name) or "") for name in cls.callback_fields or ("",))
        if subject:
            return subject, " ".join(filter(None, details))
        return hashlib.sha256(request.body).hexdigest(), ""

    def parse_events(self, request: WebhookRequest) -> list[WebhookEvent]:
        """Return the events in a webhook that `verify` accepted. It must not change anything."""
        events: list[WebhookEvent] = getattr(self, self.webhooks[request.path])(request)
        return events

    def read_file(self, request: WebhookRequest, position: int) -> tuple[str, bytes]:
        """Return the content type and the content of a file in a webhook, such as an email.

        `position` counts the `media` of its `Inbound` from 0. Raises IndexError.
        """
        raise IndexError(position)

    @classmethod
    def call_in_progress(cls, request: WebhookRequest) -> CallInProgress | None:
        """Return the call that waits for a text, or None: then `webhook_response` responds."""
        return None

    def speak(
        self, request: WebhookRequest, message: Outbound | None, locale: str
    ) -> tuple[str, str]:
        """Return the response to a call: content type and text. `locale`: the person's language.

        `message` is that of the call, or None for a person who called back.
        """
        raise NotImplementedError

    @classmethod
    def webhook_response(cls, request: WebhookRequest, new: bool) -> tuple[str, str]:
        """Return the response to a webhook: content type and text. `new` is False for a repeat."""
        return "application/json", '{"success": true}'

    @classmethod
    def clicked_tokens(cls, request: WebhookRequest) -> tuple[str, ...]:
        """Return the tokens of all clicked buttons, including those of other apps."""
        return ()

    @classmethod
    def foreign_click_response(cls, request: WebhookRequest) -> tuple[str, str]:
        """Return the response when none of the clicked buttons belongs to Signpost."""
        return cls.webhook_response(request, True)
