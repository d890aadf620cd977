"""SendGrid: emails to signers through its v3 API.

The admin enters an API key with the permission to send, and the From address of an authenticated
domain. SendGrid posts signed events to the webhook URL: processed, deferred, delivered, returned,
dropped, reported as spam, unsubscribed. Replies go to the reply address: SendGrid returns none.
https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.integrations.api import (
    Accepted,
    CheckResult,
    Feedback,
    Outbound,
    ProviderResponse,
    SendError,
    SimulatorCredentials,
    TemplateInfo,
    WebhookEvent,
    WebhookRequest,
    emails,
    webhook,
)
from hub.integrations.sendgrid import errors
from hub.integrations.sendgrid.check import check_key
from hub.integrations.sendgrid.events import events_of
from hub.integrations.sendgrid.form import REGION_EU, REGION_GLOBAL, SendGridForm
from hub.integrations.sendgrid.mail_send import mail_send_request
from hub.integrations.sendgrid.signature import public_text, verify_signature
from hub.integrations.sendgrid.templates import fetch_templates

MAIL_SEND = "/v3/mail/send"


class SendGrid(emails.EmailIntegration):
    """Send emails through SendGrid."""

    contract = 2
    name = "sendgrid"
    title = "SendGrid"
    provider = "SendGrid"
    summary = "Emails to signers through SendGrid’s API, with signed reports about each email."
    docs_url = errors.DOCS
    cost = "Depends on your SendGrid plan"
    setup = "About 15 minutes"
    guide = (
        (
            "In SendGrid, open **Settings**, **Sender Authentication**, and authenticate the domain"
            " of the From address. Without it, mailboxes treat the messages as spam or refuse them."
        ),
        (
            "Open **Settings**, **API Keys**, and create a key with the permission **Mail Send**."
            " Paste it here."
        ),
        (
            "Open **Settings**, **Mail Settings**, **Event Webhooks**. Enter the URL that this page"
            " shows, choose all **delivery data**, **Spam Reports** and **Unsubscribes**, and"
            " enable the signature verification. Paste its verification key here."
        ),
        (
            "Save the settings and choose **Test connection**, which sends nothing, then **Enable"
            " connection**."
        ),
        "Choose **Send test message** to send yourself an email, and check that it is not spam.",
    )

    feedback = (Feedback.BOUNCED, Feedback.COMPLAINED, Feedback.UNSUBSCRIBED)
    prefers_templates = True
    starts_in_demo = False  # the demo already sends emails over SMTP
    max_webhook_size = 1024 * 1024  # SendGrid posts up to 768 KB of events at once
    lifetime = 72
    rate_hint = "SendGrid accepts up to 10,000 requests per second."
    auth_setting = "api_key"
    errors = errors.ERRORS
    api = {
        "sendgrid": "https://api.sendgrid.com",
        "sendgrideu": "https://api.eu.sendgrid.com",
    }
    Form = SendGridForm

    # read from the settings when they are saved
    @classmethod
    def account_of(cls, settings: Mapping[str, Any]) -> str:
        # the ID of the API key, which SendGrid shows in its list of keys
        _, *key_id = str(settings.get("api_key") or "").split(".")[:2]
        return key_id[0] if key_id else ""

    @classmethod
    def demo_settings(cls, credentials: SimulatorCredentials) -> dict[str, Any] | None:
        secret = credentials.derive("sendgrid key", 43)
        return {
            "api_key": f"SG.{credentials.derive('sendgrid key id', 22)}.{secret}",
            "region": REGION_GLOBAL,
            "from_address": "agreements@acme.example",
            "from_name": "Acme",
            "reply_to": emails.REPLY_TO_ADDRESS,
            "reply_address": "",
            "verification_key": public_text(credentials.derive("sendgrid signature", 62)),
            "unsubscribe": emails.UNSUBSCRIBE_REMINDERS,
        }

    # sending
    def server_url(self, setting: str = "region") -> str:
        return self.api_urls["sendgrideu" if self.setting(setting) == REGION_EU else "sendgrid"]

    def send(self, message: Outbound) -> Accepted:
        content = mail_send_request(message, self.settings)
        response = self.request("POST", MAIL_SEND, content=content)
        return Accepted(response.headers.get("x-message-id", ""))

    def render(self, message: Outbound) -> dict[str, Any]:
        content = mail_send_request(message, self.settings)
        for file in content.get("attachments", ()):
            file["content"] = f"({len(file['content']):,} characters of base64)"
        return content

    def fetch_templates(self) -> list[TemplateInfo]:
        return fetch_templates(self.request)

    @classmethod
    def code_of(cls, response: ProviderResponse) -> str:
        return errors.code_of(response)

    @classmethod
    def is_genuine(cls, response: ProviderResponse) -> bool:
        return errors.is_genuine(response)

    @classmethod
    def refusal(cls, response: ProviderResponse) -> SendError:
        return errors.with_reset(super().refusal(response), response)

    # receiving
    @webhook("sendgrid")
    def on_events(self, request: WebhookRequest) -> list[WebhookEvent]:
        """Events. Enter this URL in SendGrid, under Settings, Mail Settings, Event Webhooks."""
        return events_of(request.body)

    def verify(self, request: WebhookRequest) -> None:
        verify_signature(self.setting("verification_key"), request)

    # testing
    def check(self) -> CheckResult:
        return check_key(self.request, self.settings, MAIL_SEND)
