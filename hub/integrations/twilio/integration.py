"""The common part of Twilio's products: sending with its SDK, verifying webhooks, statuses.

https://www.twilio.com/docs/messaging/api/message-resource
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self, TypeVar

from twilio.base.exceptions import TwilioException
from twilio.rest import Client

from hub.integrations.api import (
    Accepted,
    BadWebhook,
    CallInProgress,
    ConnectionBroken,
    Outbound,
    OutcomeUnknown,
    Price,
    ProviderHttpClient,
    SendError,
    Senders,
    SimulatorCredentials,
    Status,
    StatusUpdate,
    Unrecognized,
    WebhookEvent,
    WebhookReceiver,
    WebhookRequest,
    http_errors,
    utf16_length,
    webhook,
)
from hub.integrations.twilio import calls
from hub.integrations.twilio.errors import ERRORS, error_for, reported_error
from hub.integrations.twilio.inbound import (
    HANDLER_RECEIPTS,
    fetch_file,
    inbound_status,
    parse_fields,
    read_inbound,
)
from hub.integrations.twilio.kinds import Kind, classify_webhook, describe
from hub.integrations.twilio.sdk import SdkHttpClient, create, error_code
from hub.integrations.twilio.signature import SIGNATURE, is_signed, signing_keys
from hub.integrations.twilio.statuses import (
    HANDLER_STATUSES,
    OUTSIDE_WINDOW,
    STATUSES,
    explain_code,
    read_status,
    segment_count,
)

T = TypeVar("T")

# Twilio does not retry a callback by default; this requests five tries after any failure, within
# 15 seconds https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
CALLBACK_OVERRIDES = "#rc=5&rp=all"
MAX_VALIDITY = 36_000  # seconds that a message may wait in Twilio's queue
FIND_SLACK = timedelta(minutes=2)  # the usual difference between the hub's and Twilio's clocks
# the largest difference; a message with the same text is found even if it is that much older
CLOCKS_APART = timedelta(days=1)
FIND_LIMIT = 100
LOST = (Status.FAILED, Status.UNDELIVERED)
# a response that sends no reply
EMPTY_TWIML = '<?xml version="1.0" encoding="UTF-8"?><Response></Response>'


class TwilioIntegration(WebhookReceiver):
    """A product of Twilio's messaging API; each product is a subclass."""

    contract = 2
    provider = "Twilio"
    reports = True
    may_report_read = True
    family = "twilio"
    handler_statuses = HANDLER_STATUSES
    handler_receipts = HANDLER_RECEIPTS
    account_setting = "account_sid"
    errors = ERRORS
    api = {"twilio": "https://api.twilio.com"}
    request_ref_header = "twilio-request-id"
    stored_headers = ("i-twilio-idempotency-token",)
    concurrency = 64
    # in segments: https://help.twilio.com/articles/115002943027
    rate_hint = (
        "Twilio sends about 1 message per second from a US number, 3 from a toll-free"
        " number and 100 from a short code. It queues the rest."
    )
    max_length = 1600  # characters of Body; a longer one fails with 21617
    stop_codes = frozenset({"21610"})
    # no mobile number, out of service, or not on WhatsApp
    unreachable_codes = frozenset(
        {"13224", "21268", "21614", "21635", "30005", "30006", "63003", "63024"}
    )
    sender_prefix = ""  # before numbers, such as whatsapp:

    def __init__(
        self,
        settings: Mapping[str, Any],
        http: ProviderHttpClient,
        api: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(settings, http, api)
        self._sdk = SdkHttpClient(http, self.api_urls["twilio"])
        account = settings.get("account_sid", "")
        self._with_token = self._client(account, settings.get("auth_token", ""))
        key = settings.get("api_key_sid")
        self._sending = (
            self._client(key, settings.get("api_key_secret", "")) if key else self._with_token
        )
        self._signing_keys = signing_keys(settings)

    def _client(self, username: str, password: str) -> Client:
        # an empty environment, so that the SDK does not read variables such as TWILIO_EDGE
        return Client(
            username,
            password,
            self.settings.get("account_sid", ""),
            http_client=self._sdk,
            environment={"": ""},
        )

    # sending
    def send(self, message: Outbound) -> Accepted:
        payload = self.render(message)
        created = self._call(lambda: create(self._sending, "Messages", payload))
        return self._accepted(created)

    def render(self, message: Outbound) -> dict[str, Any]:
        sender = (
            self.senders.country_sender(message.address).removeprefix(self.sender_prefix)
            or self.settings["sender"]
        )
        payload: dict[str, Any] = {"To": self.sender_prefix + message.to}
        if message.template is not None:
            payload |= {
                "ContentSid": message.template.id,
                "ContentVariables": json.dumps(dict(message.template.variables)),
            }
        else:
            payload |= {"Body": message.text} if message.text or not message.media else {}
            payload |= {"MediaUrl": list(message.media)} if message.media else {}
        payload |= (
            {"MessagingServiceSid": sender}
            if sender.startswith("MG")
            else {"From": self.sender_prefix + sender}
        )
        if message.status_url:
            payload["StatusCallback"] = message.status_url + CALLBACK_OVERRIDES
        if message.expires_at is not None:
            remaining = int((message.expires_at - datetime.now(UTC)).total_seconds())
            if remaining < MAX_VALIDITY:
                payload["ValidityPeriod"] = max(1, remaining)
        return payload

    def find(self, message: Outbound, since: datetime) -> list[Accepted]:
        payload = self.render(message)
        sender = {"from_": payload["From"]} if "From" in payload else {}
        messages = self._call(
            lambda: self._sending.messages.list(
                to=payload["To"], limit=FIND_LIMIT, page_size=FIND_LIMIT, **sender
            )
        )
        earliest = since - FIND_SLACK
        if len(messages) == FIND_LIMIT and messages[-1].date_created > earliest:
            raise OutcomeUnknown("Twilio returned more than one page of messages to this number.")
        matches = []
        for candidate in messages:
            service = payload.get("MessagingServiceSid")
            if candidate.direction == "inbound" or not (
                sender or candidate.messaging_service_sid == service
            ):
                continue
            # Twilio adds a notice before the text of trial accounts, and Smart Encoding and link
            # shortening may change the text
            body = payload.get("Body", "")
            sure = bool(body) and (candidate.body or "").endswith(body)
            if candidate.date_created >= (earliest - CLOCKS_APART if sure else earliest):
                matches.append(self._match(candidate, sure=sure))
        return matches

    def _match(self, candidate: Any, *, sure: bool) -> Accepted:
        """Return a message that Twilio has, as accepted even if it failed.

        `fetch_status` then reports the failure and its cause.
        """
        accepted = self._accepted(candidate)
        return replace(
            accepted,
            sure=sure,
            code="",
            outside_window=False,
            error=None,
            status=Status.ACCEPTED if accepted.status in LOST else accepted.status,
        )

    def fetch_status(self, provider_id: str) -> StatusUpdate:
        resource = self._call(lambda: self._sending.messages(provider_id).fetch())
        code = str(resource.error_code or "")
        return StatusUpdate(
            provider_id=provider_id,
            at=resource.date_updated,
            status=STATUSES.get(resource.status),
            provider_status=resource.status,
            code=code,
            reason=explain_code(code),
            segments=segment_count(resource.num_segments),
            price=Price.read(resource.price, resource.price_unit),
            outside_window=code == OUTSIDE_WINDOW,
            error=reported_error(code),
        )

    def fetch_file(self, url: str) -> tuple[str, bytes]:
        return fetch_file(
            url,
            self.api_urls["twilio"],
            self._sdk.http,
            (self.settings["account_sid"], self.settings.get("auth_token", "")),
        )

    def _accepted(self, resource: Any) -> Accepted:
        status = STATUSES.get(resource.status) or Status.ACCEPTED
        if not isinstance(resource.sid, str) or not re.fullmatch(r"[!-~]{1,64}", resource.sid):
            raise OutcomeUnknown("Twilio’s response contains no message ID.", "bad_answer")
        code = str(resource.error_code or "") if status in LOST else ""
        return Accepted(
            provider_id=resource.sid,
            status=status,
            segments=segment_count(resource.num_segments),
            price=Price.read(resource.price, resource.price_unit),
            sender=resource.messaging_service_sid or resource.from_ or "",
            code=code,
            reason=explain_code(code),
            outside_window=code == OUTSIDE_WINDOW,
            error=reported_error(code),
        )

    def _call(self, call: Callable[[], T]) -> T:
        """Make one call of the SDK, and convert its errors into SendErrors."""
        try:
            with http_errors("Twilio"):
                return call()
        except (TwilioException, ValueError, KeyError, TypeError, AttributeError) as error:
            response = self._sdk.last
            # Twilio accepted the request, and its response cannot be read
            if response is None or response.status < 300:
                raise OutcomeUnknown(
                    "Twilio’s response could not be read.", "bad_answer"
                ) from error
            raise error_for(response, error_code(response)) from None

    # receiving
    @classmethod
    def senders_of(cls, settings: Mapping[str, Any]) -> Senders:
        sender = str(settings.get("sender", ""))
        services = settings.get("services", {})
        return Senders(
            cls.sender_prefix + sender,
            {country: cls.sender_prefix + service for country, service in services.items()},
            is_pool=sender.startswith("MG"),
        )

    @classmethod
    def length_of(cls, text: str) -> int:
        return utf16_length(text)  # the largest possible count: Twilio does not define characters

    @classmethod
    def claimed_account(cls, request: WebhookRequest) -> str:
        return parse_fields(request).get("AccountSid", "")

    @classmethod
    def unassigned_verifier(
        cls, environ: Mapping[str, str], http: ProviderHttpClient
    ) -> Self | None:
        token = environ.get("TWILIO_WEBHOOK_AUTH_TOKEN", "")
        return cls({"auth_token": token, "sender": ""}, http) if token else None

    @classmethod
    def demo_settings(cls, credentials: SimulatorCredentials) -> dict[str, Any] | None:
        return {
            "account_sid": credentials.account_sid,
            "auth_token": credentials.auth_token,
            "api_key_sid": "",
            "api_key_secret": "",
            "secondary_auth_token": "",
            "shared_key_id": "",
            "shared_key": "",
            "auth_token_too": False,
            "sender": credentials.phone_number,
            "services": {},
            **({} if cls.replies_to_keywords else {"help_text": ""}),
        }

    def verify(self, request: WebhookRequest) -> None:
        signature = request.headers.get(SIGNATURE, "")
        if not signature or not self._signing_keys:
            raise BadWebhook("The request has no signature.")
        if not is_signed(self._signing_keys, request, signature):
            raise BadWebhook("The signature does not match this account’s Auth Token or SharedKey.")

    def is_secondary_token_valid(self) -> bool | None:
        """Return whether Twilio accepts the secondary Auth Token.

        Returns None if there is none, or if Twilio cannot be reached.
        """
        account = self.settings.get("account_sid", "")
        token = self.settings.get("secondary_auth_token", "")
        if not token:
            return None
        client = self._client(account, token)
        try:
            self._call(lambda: client.api.accounts(account).fetch())
        except ConnectionBroken:
            return False
        except SendError:
            return None
        return True

    def parse_events(self, request: WebhookRequest) -> list[WebhookEvent]:
        """Return the event in a webhook.

        People's messages and statuses of SMS, WhatsApp and calls may arrive at any of the URLs.
        """
        form = parse_fields(request)
        match classify_webhook(form):
            case Kind.CALL:
                return calls.read_call(request, form)
            case Kind.INBOUND:
                return [read_inbound(form)]
            case Kind.STATUS:
                return [read_status(request)]
        return [Unrecognized(description=describe(form))]

    @webhook("twilio/inbound")
    def on_inbound(self, request: WebhookRequest) -> list[WebhookEvent]:
        """Incoming messages. Paste this URL in the Twilio Console, at the number or sender."""
        return self.parse_events(request)

    @classmethod
    def call_in_progress(cls, request: WebhookRequest) -> CallInProgress | None:
        return calls.needs_answer(request, parse_fields(request))

    @classmethod
    def callback_key(cls, request: WebhookRequest) -> tuple[str, str]:
        form = parse_fields(request)
        sid = form.get("MessageSid") or form.get("SmsSid")
        kind = classify_webhook(form)
        if kind == Kind.CALL:
            return form["CallSid"], calls.callback_detail(request, form)
        if not sid or kind == Kind.OTHER:
            return super().callback_key(request)
        if kind == Kind.INBOUND:
            return sid, inbound_status(form) or "received"
        status_name = form.get("MessageStatus") or form.get("SmsStatus", "")
        return sid, f"{status_name}:{form.get('ErrorCode', '')}"

    @classmethod
    def webhook_response(cls, request: WebhookRequest, new: bool) -> tuple[str, str]:
        form = parse_fields(request)
        kind = classify_webhook(form)
        if kind == Kind.CALL and cls.call_in_progress(request) is None:
            is_known = form.get("CallStatus") in calls.STATUSES
            return "application/json", json.dumps({"success": True, "processed": int(is_known)})
        if kind != Kind.STATUS:  # a call without a connection that could speak ends
            return "text/xml", EMPTY_TWIML
        status_name = form.get("MessageStatus") or form.get("SmsStatus", "")
        is_processed = STATUSES.get(status_name) not in (None, Status.ACCEPTED)
        return "application/json", json.dumps({"success": True, "processed": int(is_processed)})
