"""WhatsApp through Twilio: approved templates, and free text for 24 hours after a person wrote.

The admin creates a Twilio account with a WhatsApp sender or the sandbox, and has templates approved
in its Content Template Builder. Twilio reports the statuses queued, sent, delivered, read,
undelivered and failed to the URL that is sent with each message.
https://www.twilio.com/docs/whatsapp/api
"""

from __future__ import annotations

from wtforms import StringField
from wtforms.validators import InputRequired, Regexp

from hub.integrations.api import (
    Address,
    Channel,
    CheckResult,
    SendError,
    Status,
    TemplateInfo,
    WebhookEvent,
    WebhookRequest,
    phones,
    to_other,
    webhook,
)
from hub.integrations.twilio import check_failures, content
from hub.integrations.twilio.account import AccountForm, services
from hub.integrations.twilio.check import CheckedTwilio
from hub.integrations.twilio.inbound import without_channel
from hub.integrations.twilio.media import ON_WHATSAPP

SANDBOX = "+14155238886"
SANDBOX_NEEDS_JOIN = (
    "The sandbox can send only to phones that texted its join words in the last 72 hours. For other"
    " phones Twilio returns 63015."
)
NOT_LISTED = "Twilio did not list the WhatsApp senders of this account."


class WhatsApp(CheckedTwilio):
    """Send WhatsApp messages through Twilio."""

    name = "whatsapp"
    title = "WhatsApp"
    summary = (
        "WhatsApp messages with read receipts. Free text for 24 hours after a person’s message,"
        " approved templates at any other time."
    )
    docs_url = "https://www.twilio.com/docs/whatsapp/quickstart"
    reach = "WhatsApp users"
    cost = "Meta’s fee and $0.005 per message"
    setup = "About 15 minutes plus Meta’s approval"
    guide = (
        (
            "In the Twilio Console, open **Messaging**, **Senders**, **WhatsApp senders**,"
            " and register a sender. Or try the **sandbox** with the sender"
            " `+14155238886`, which can send to phones that have texted its `join` words."
        ),
        "Copy the **Account SID** and the **Auth Token** from **Account Info**.",
        "Paste them here with the sender, save them, and choose **Test connection**.",
        (
            "In the settings of the sender, set **Webhook URL for incoming messages** to"
            " the URL shown below. Replies open the 24-hour window for free text."
        ),
        (
            "Submit templates for approval in the **Content Template Builder**. Then map"
            " them under **Templates**."
        ),
    )

    channel = Channel.WHATSAPP
    address = Address.PHONE
    event_prefix = "whatsapp"
    reliable_statuses = frozenset({Status.DELIVERED, Status.READ})
    session_window = 24.0
    replies_to_keywords = False
    consent_required = True
    # characters of the filled body; a longer one fails with Meta's code 132005
    max_template_length = 1024
    media = ON_WHATSAPP
    status_path = "twilio/whatsapp"
    sender_prefix = "whatsapp:"
    rate_hint = (
        "Twilio sends about 80 messages per second from a WhatsApp sender, and one every"
        " 3 seconds from the sandbox."
    )

    class Form(AccountForm):
        sender = StringField(
            "WhatsApp sender or Messaging Service",
            [
                InputRequired("Enter the sender: a phone number or a Messaging Service."),
                Regexp(
                    r"(\+[0-9]{7,15}|MG[0-9a-fA-F]{32})\Z",
                    message=(
                        "Enter + and the country code, followed by digits only, without"
                        " the prefix whatsapp:. Or enter a Messaging Service: MG and 32"
                        " digits or letters a to f."
                    ),
                ),
            ],
            filters=[
                lambda text: phones.parse_typed_sender(without_channel(text)) if text else text
            ],
            description=(
                "Enter a number registered for WhatsApp, such as `+13175550123`, or a"
                " Messaging Service that starts with `MG`."
            ),
            render_kw={"legend": "Sender", "mono": True},
        )
        services = services()

    @classmethod
    def recipient_form(cls, address: str) -> str:
        # WhatsApp knows Mexican numbers with a 1, and all others in the normal form
        return (to_other(address) if address.startswith("+52") else "") or address

    def _check_sender(self) -> CheckResult:
        number = self.settings["sender"]
        if number == SANDBOX:
            return CheckResult(
                True, "", "Sends from Twilio’s sandbox.", warnings=(SANDBOX_NEEDS_JOIN,)
            )
        try:
            senders = self._call(
                lambda: self._with_token.messaging.v2.channels_senders.list(
                    channel="whatsapp", limit=200
                )
            )
        except SendError:  # many accounts cannot list senders; the first message shows the problem
            return CheckResult(True, "", f"Sends from {number}.", warnings=(NOT_LISTED,))
        sender_id = self.sender_prefix + number
        sender = next((sender for sender in senders if sender.sender_id == sender_id), None)
        if sender is None:
            return check_failures.report_unknown_whatsapp_sender(number)
        status = str(sender.status).lower()
        if not status.startswith("online"):
            return check_failures.report_offline_whatsapp_sender(number, status)
        return CheckResult(True, "", f"{number} is registered for WhatsApp.")

    def fetch_templates(self) -> list[TemplateInfo]:
        return self._call(lambda: content.fetch_templates(self._sending))

    @webhook("twilio/whatsapp")
    def on_status(self, request: WebhookRequest) -> list[WebhookEvent]:
        return self.parse_events(request)
