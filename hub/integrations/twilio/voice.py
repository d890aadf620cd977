"""Twilio Voice: calls that read a text aloud, from a number of the admin's Twilio account.

The admin creates an account with a number that can make calls, and copies the Account SID and Auth
Token. Twilio reports the statuses of a call and the pressed keys to the URL that is sent with it.
https://www.twilio.com/docs/voice/api/call-resource
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from wtforms import IntegerField, SelectField, StringField
from wtforms.validators import InputRequired, Length, NumberRange, Optional, Regexp

from hub.integrations.api import (
    Accepted,
    Address,
    Channel,
    CheckResult,
    Feedback,
    Outbound,
    OutcomeUnknown,
    Price,
    Senders,
    SimulatorCredentials,
    Status,
    StatusUpdate,
    WebhookEvent,
    WebhookRequest,
    phones,
    webhook,
)
from hub.integrations.twilio import calls, voice_check
from hub.integrations.twilio.account import AccountForm
from hub.integrations.twilio.check import CheckedTwilio
from hub.integrations.twilio.inbound import parse_fields
from hub.integrations.twilio.integration import (
    CALLBACK_OVERRIDES,
    CLOCKS_APART,
    FIND_LIMIT,
    FIND_SLACK,
)
from hub.integrations.twilio.sdk import create
from hub.integrations.twilio.speech import (
    AGAIN,
    BASIC,
    MAX_CALLER,
    MAX_READINGS,
    MAX_TEXT,
    NATURAL,
    STOP,
    Speech,
    call_minutes,
    spoken_length,
    spoken_text,
)

DEFAULT_RING = 25  # seconds; most voicemails answer later
MAX_CALL = timedelta(minutes=10)  # without a report for longer, a call has ended
TIME_LIMIT = 480  # seconds after which Twilio ends a call
DEFAULT_WAITS = "5, 30"
MAX_WAITS = 5
MAX_WAIT = 24 * 60  # minutes
PROGRESS = ["initiated", "ringing", "answered", "completed"]


class VoiceForm(AccountForm):
    """Settings of calls."""

    sender = StringField(
        "From number",
        [
            InputRequired("Enter the number that calls."),
            Regexp(
                r"\+[0-9]{7,15}\Z",
                message=(
                    "Enter + and the country code, followed by digits only, such as +13175550123."
                ),
            ),
        ],
        filters=[phones.parse_typed_sender],
        description=(
            "Enter a number of the account that can make calls, such as `+13175550123`. The person"
            " sees it, and may call it back."
        ),
        render_kw={"legend": "Sender", "mono": True, "half": True},
    )
    caller_name = StringField(
        "Caller name",
        [
            InputRequired("Enter the name of the caller."),
            Length(max=MAX_CALLER, message=f"At most {MAX_CALLER} characters."),
        ],
        description="Each call says this name first. Example: `Acme Contracts`.",
        render_kw={"half": True},
    )
    ring_seconds = IntegerField(
        "Ring for (seconds)",
        [Optional(), NumberRange(15, 30, message="Enter a number from 15 to 30.")],
        default=DEFAULT_RING,
        description=f"Enter 15 to 30. Most voicemails answer later. Default: `{DEFAULT_RING}`.",
        render_kw={"legend": "Calls", "half": True, "inputmode": "numeric"},
    )
    call_again = StringField(
        "Call again after (minutes)",
        [Optional(), Regexp(r"[0-9, ]*\Z", message="Enter minutes, such as 5, 30.")],
        default=DEFAULT_WAITS,
        description=(
            "If the line is busy or nobody answers, Signpost calls again after each of these"
            f" waits. Example: `{DEFAULT_WAITS}` is two more calls. Enter `0` to call once."
        ),
        render_kw={"half": True},
    )
    lines = IntegerField(
        "Calls at the same time",
        [Optional(), NumberRange(1, 50, message="Enter a number from 1 to 50.")],
        default=1,
        description="Enter 1 to 50. One person never gets two calls at the same time.",
        render_kw={"half": True, "inputmode": "numeric"},
    )
    voices = SelectField(
        "Voices",
        choices={NATURAL: "Natural (Amazon Polly)", BASIC: "Basic (Twilio)"},
        default=NATURAL,
        description="Choose Basic if Twilio reports that a voice is not available (13520).",
        render_kw={"half": True},
    )

    def validate(self, extra_validators: Mapping[str, Any] | None = None) -> bool:
        valid = super().validate(extra_validators)
        waits = _read_waits(self.call_again.data)
        if len(waits) > MAX_WAITS or any(wait > MAX_WAIT for wait in waits):
            return self.add_error(
                "call_again",
                f"Enter at most {MAX_WAITS} waits of at most {MAX_WAIT:,} minutes each.",
            )
        if self.caller_name.data and not spoken_text(self.caller_name.data):
            return self.add_error("caller_name", "Enter a name that can be read aloud.")
        return bool(valid)


class TwilioVoice(CheckedTwilio):
    """Call people through Twilio, and read a text aloud."""

    name = "twilio_voice"
    title = "Twilio Voice"
    summary = "Calls that read a text aloud, such as to landlines. A pressed key confirms them."
    docs_url = "https://www.twilio.com/docs/voice/api/call-resource"
    reach = "Any phone, landlines included"
    cost = "From $0.014 per minute"
    setup = "About 5 minutes"
    guide = (
        "In the Twilio Console, copy **Account SID** and **Auth Token** from **Account Info**.",
        (
            "Under **Phone Numbers**, **Active numbers**, choose a number with the **Voice**"
            " capability. Under **Voice**, **Settings**, **Geo permissions**, allow the countries"
            " to call."
        ),
        (
            "Paste them here with the name that calls say first, save them, and choose **Test"
            " connection**."
        ),
        (
            "Choose **Set webhook**. People who call back then hear your name and how to stop the"
            " calls."
        ),
        ("Record consents before you call. Many countries require them for automated calls."),
    )

    channel = Channel.VOICE
    address = Address.PHONE
    event_prefix = "call"
    own_events = calls.EVENTS
    feedback = (Feedback.UNSUBSCRIBED,)
    may_report_read = False
    uses_letterhead = True
    consent_required = True
    never_between = ("20:00", "08:00")
    per_second = 1
    rate_hint = "Twilio starts 1 call per second for each account."
    concurrency = 4
    max_length = MAX_TEXT
    length_unit = "characters"
    status_path = "twilio/voice"
    stop_codes = frozenset()

    Form = VoiceForm
    on_inbound = None  # type: ignore[assignment]  # calls have their own URL

    # settings
    @classmethod
    def senders_of(cls, settings: Mapping[str, Any]) -> Senders:
        return Senders(str(settings.get("sender", "")))

    @classmethod
    def demo_settings(cls, credentials: SimulatorCredentials) -> dict[str, Any] | None:
        settings = super().demo_settings(credentials) or {}
        not_here = ("services", "help_text")
        return {
            **{name: value for name, value in settings.items() if name not in not_here},
            "caller_name": "Acme Contracts",
            "ring_seconds": DEFAULT_RING,
            "call_again": DEFAULT_WAITS,
            "lines": 1,
            "voices": NATURAL,
        }

    def max_in_progress(self) -> int:
        return int(self.settings.get("lines") or 1)

    @classmethod
    def waits_before_retries(cls, settings: Mapping[str, Any]) -> Sequence[timedelta]:
        waits = _read_waits(settings.get("call_again", DEFAULT_WAITS))
        return [timedelta(minutes=wait) for wait in waits[:MAX_WAITS] if wait <= MAX_WAIT]

    # texts and addresses
    @classmethod
    def length_of(cls, text: str) -> int:
        return max(len(text), spoken_length(text))

    @classmethod
    def billed_units(cls, text: str) -> int:
        return call_minutes(text)

    @classmethod
    def clean_address(cls, address: str) -> str:
        number = phones.parse_strict(address)
        if phones.is_premium(number):
            raise ValueError("This is a premium-rate number, which Signpost does not call.")
        return number

    def speech(self, locale: str) -> Speech:
        """Return what calls of this connection say in a language."""
        return Speech(
            str(self.settings.get("caller_name") or ""),
            locale,
            BASIC if self.settings.get("voices") == BASIC else NATURAL,
        )

    # sending
    def send(self, message: Outbound) -> Accepted:
        payload = self.render(message)
        created = self._call(lambda: create(self._sending, "Calls", payload))
        return self._accepted_call(created)

    def render(self, message: Outbound) -> dict[str, Any]:
        twiml = self.speech(message.locale).first_reading(message.text, _key_url(message, 1))
        payload = {
            "To": message.to,
            "From": self.settings["sender"],
            "Twiml": twiml,
            "Timeout": int(self.settings.get("ring_seconds") or DEFAULT_RING),
            "TimeLimit": TIME_LIMIT,
        }
        if message.status_url:
            payload |= {
                "StatusCallback": message.status_url + CALLBACK_OVERRIDES,
                "StatusCallbackMethod": "POST",
                "StatusCallbackEvent": PROGRESS,
            }
        return payload

    def find(self, message: Outbound, since: datetime) -> list[Accepted]:
        sender = self.settings["sender"]
        listed = self._call(
            lambda: self._sending.calls.list(
                to=message.to, from_=sender, limit=FIND_LIMIT, page_size=FIND_LIMIT
            )
        )
        earliest = since - FIND_SLACK
        if len(listed) == FIND_LIMIT and listed[-1].date_created > earliest:
            raise OutcomeUnknown("Twilio returned more than one page of calls to this number.")
        # the list has no texts, so any call to the person since then may be this one
        return [
            self._accepted_call(entry)
            for entry in listed
            if entry.direction != "inbound"
            and earliest <= entry.date_created <= since + CLOCKS_APART
        ]

    def fetch_status(self, provider_id: str) -> StatusUpdate:
        return _status_of(self._call(lambda: self._sending.calls(provider_id).fetch()))

    def withdraw(self, provider_id: str) -> StatusUpdate:
        # `canceled` ends calls that wait or ring, and leaves those that were answered alone
        call = self._sending.calls(provider_id)
        return _status_of(self._call(lambda: call.update(status="canceled")))

    def _accepted_call(self, call: Any) -> Accepted:
        if not isinstance(call.sid, str) or not re.fullmatch(r"[!-~]{1,64}", call.sid):
            raise OutcomeUnknown("Twilio’s response contains no call ID.", "bad_answer")
        # a call that has ended already is reported by its callbacks, or by `fetch_status`
        return Accepted(call.sid, Status.ACCEPTED, sender=self.settings["sender"], event="queued")

    # receiving
    @webhook("twilio/voice")
    def on_call(self, request: WebhookRequest) -> list[WebhookEvent]:
        """Calls to the number. Choose Set webhook, or paste this URL in the Twilio Console."""
        return self.parse_events(request)

    def subscribe(self, webhook_url: str) -> str:
        url = f"{webhook_url.rpartition('twilio/')[0]}twilio/voice"
        number = self._call(lambda: voice_check.find_number(self._with_token, self._number))
        if number is None:
            return f"{self._number} is not a number of this account. Set its Voice URL yourself."
        values = {"voice_url": url + CALLBACK_OVERRIDES, "voice_method": "POST"}
        if not number.status_callback or "/webhooks/twilio/voice" in number.status_callback:
            values |= {"status_callback": url + CALLBACK_OVERRIDES}
        self._call(lambda: self._with_token.incoming_phone_numbers(number.sid).update(**values))
        return f"Signpost now answers calls to {self._number}."

    def speak(
        self, request: WebhookRequest, message: Outbound | None, locale: str
    ) -> tuple[str, str]:
        form = parse_fields(request)
        key = form.get("Digits", "")[:1]
        speech = self.speech(locale)
        is_known = message is not None or bool(calls.person(form))
        if key == STOP and is_known:
            twiml = speech.stopped()
        elif message is not None and key == AGAIN and calls.reading(request) < MAX_READINGS:
            following = calls.reading(request) + 1
            twiml = speech.next_reading(
                message.text,
                _key_url(message, following),
                is_last=following == MAX_READINGS,
            )
        elif key and is_known:
            twiml = speech.confirmed()
        elif message is not None:
            twiml = speech.ended()
        else:
            key_url = request.url.partition("?")[0] + CALLBACK_OVERRIDES
            twiml = speech.called_back(key_url if is_known else "")
        return "text/xml", twiml

    # the test
    @property
    def _number(self) -> str:
        return str(self.settings["sender"])

    def _check_sender(self) -> CheckResult:
        number = self._call(lambda: voice_check.find_number(self._with_token, self._number))
        return voice_check.check_number(self._number, number)


def _status_of(call: Any) -> StatusUpdate:
    return calls.call_status(
        str(call.status),
        provider_id=str(call.sid),
        at=call.date_updated,
        price=Price.read(call.price, call.price_unit),
    )


def _key_url(message: Outbound, reading: int) -> str:
    """Return the URL of a key that is pressed after a reading, or '' if Twilio cannot reach it."""
    if not message.status_url:
        return ""
    return f"{message.status_url}&reading={reading}{CALLBACK_OVERRIDES}"


def _read_waits(text: Any) -> list[int]:
    """Return waits in minutes; none for 0."""
    return [int(word) for word in re.findall(r"[0-9]{1,9}", str(text or "")) if int(word)]
