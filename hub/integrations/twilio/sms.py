"""Twilio SMS: text messages from a number or a Messaging Service of the admin's Twilio account.

The admin creates an account with a number that can send SMS, and copies the Account SID and Auth
Token. Twilio reports the statuses queued, sent, delivered, undelivered and failed to the URL that
is sent with each message.
"""

from __future__ import annotations

from typing import Any

from wtforms import StringField
from wtforms.validators import InputRequired, Regexp

from hub.integrations.api import (
    Address,
    Channel,
    CheckResult,
    WebhookEvent,
    WebhookRequest,
    phones,
    webhook,
)
from hub.integrations.twilio.account import AccountForm, services
from hub.integrations.twilio.check import CheckedTwilio
from hub.integrations.twilio.media import AS_MMS


class TwilioSms(CheckedTwilio):
    """Send SMS through Twilio."""

    name = "twilio_sms"
    title = "Twilio SMS"
    summary = "Text messages to any mobile phone, with delivery reports."
    docs_url = "https://www.twilio.com/docs/messaging/quickstart"
    reach = "Any mobile phone"
    cost = "From $0.0083 per segment"
    setup = "About 5 minutes"
    guide = (
        "In the Twilio Console, copy **Account SID** and **Auth Token** from **Account Info**.",
        (
            "Under **Phone Numbers**, **Active numbers**, choose a number with the"
            " **SMS** capability. Or choose a **Messaging Service**."
        ),
        (
            "Paste them here, save them, and choose **Test connection**. Status callbacks"
            " need no setup, because Signpost sends their URL with every message."
        ),
        (
            "On a trial account, add each test phone under **Verified Caller IDs**. For"
            " other phones, Twilio returns `21608`."
        ),
    )

    channel = Channel.SMS
    address = Address.PHONE
    event_prefix = "sms"
    counts_segments = True
    replies_to_keywords = True
    media = AS_MMS  # in the United States and Canada; in other countries Twilio refuses files
    status_path = "twilio/sms"

    class Form(AccountForm):
        sender = StringField(
            "From number or Messaging Service",
            [
                InputRequired("Enter the sender: a phone number or a Messaging Service."),
                Regexp(
                    r"(\+[0-9]{7,15}|MG[0-9a-fA-F]{32})\Z",
                    message=(
                        "Enter + and the country code, followed by digits only, such as"
                        " +13175550123. Or enter a Messaging Service: MG and 32 digits or"
                        " letters a to f."
                    ),
                ),
            ],
            filters=[phones.parse_typed_sender],
            description=(
                "Enter a number such as `+13175550123`, or a Messaging Service that"
                " starts with `MG`."
            ),
            render_kw={"legend": "Sender", "mono": True},
        )
        services = services()

    def _check_sender(self) -> CheckResult:
        number = self.settings["sender"]
        owned = self._call(
            lambda: self._with_token.incoming_phone_numbers.list(phone_number=number, limit=20)
        )
        # Twilio also returns numbers that contain this one
        match = next((entry for entry in owned if entry.phone_number == number), None)
        if match is None:
            return CheckResult(
                False,
                f"{number} is not a number of this Twilio account.",
                "Twilio would reject every message from it (21606).",
                (
                    "In the Twilio Console, open **Phone Numbers**, **Active numbers**.",
                    (
                        "Copy a number with the **SMS** capability into the field below,"
                        " or buy one. Then test again."
                    ),
                ),
                field="sender",
                code="21606",
            )
        capabilities = [name for name in ("SMS", "MMS") if _can_send(match, name.lower())]
        if "SMS" not in capabilities:
            return CheckResult(
                False,
                f"{number} cannot send SMS.",
                "The number belongs to the account but has no SMS capability (21661).",
                (
                    (
                        "Choose a number with the **SMS** capability under **Phone Numbers**,"
                        " **Active numbers**."
                    ),
                    "Choose **Test connection**.",
                ),
                field="sender",
                code="21661",
            )
        return CheckResult(True, "", f"{number} can send {' and '.join(capabilities)}.")

    @webhook("twilio/sms")
    def on_status(self, request: WebhookRequest) -> list[WebhookEvent]:
        return self.parse_events(request)


def _can_send(number: Any, name: str) -> bool:
    # the API now returns names in lower case, and earlier in upper case
    capabilities = {key.lower(): value for key, value in dict(number.capabilities or {}).items()}
    return bool(capabilities.get(name))
