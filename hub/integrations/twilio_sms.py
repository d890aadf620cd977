"""Twilio SMS: text messages from a number or a Messaging Service of the admin's Twilio account.

The admin prepares an account, a number that can send SMS, and copies the Account SID and Auth Token.
Twilio reports queued, sent, delivered, undelivered and failed to the address that goes along with each message.
"""

from __future__ import annotations

from typing import Any

from wtforms import StringField
from wtforms.validators import InputRequired, Regexp

from hub.errors import ConnectionBroken, PermanentError, SendError
from hub.http import recorded
from hub.integrations._twilio import TwilioIntegration, is_inbound, said
from hub.integrations._twilio_account import AccountForm
from hub.integrations.base import CheckResult, StatusUpdate, WebhookRequest, webhook
from hub.vocabulary import Address, Channel


class TwilioSms(TwilioIntegration):
    """Send SMS through Twilio."""

    name = "twilio_sms"
    title = "Twilio SMS"
    summary = "Text messages to any mobile phone, with delivery receipts."
    docs_url = "https://www.twilio.com/docs/messaging/quickstart"
    reach, cost, setup = "Any mobile phone", "From $0.0083 a segment", "About 5 minutes"
    guide = (
        "Open the Twilio Console. Copy **Account SID** and **Auth Token** from **Account Info**.",
        "Under **Phone Numbers**, **Active numbers**, choose one with the **SMS** capability, or take a **Messaging Service**.",
        "Paste them here, **Save**, and choose **Test connection**. Status callbacks need no set-up: we send their address along.",
        "On a trial account, add each test phone under **Verified Caller IDs**. To others Twilio answers `21608`.",
    )

    channel = Channel.SMS
    address = Address.PHONE
    event_prefix = "sms"
    counts_segments = True
    status_path = "twilio/sms"

    class Form(AccountForm):
        sender = StringField(
            "From number or Messaging Service",
            [InputRequired("Give the number to send from."),
             Regexp(r"(\+[0-9]{7,15}|MG[0-9a-fA-F]{32})\Z",
                    message="Start with + and the country code, digits only: +13175550123. A Messaging Service is MG and 32 digits "
                            "or letters a to f.")],
            description="A number like `+13175550123` (plus, country code, digits only), or a service that starts with `MG`.",
            render_kw={"legend": "Sender", "mono": True},
        )  # fmt: skip

    def check(self) -> CheckResult:
        with recorded() as exchanges:
            try:
                return self._check()
            except SendError as problem:
                result = self._refused(problem)
                last = exchanges[-1] if exchanges else None
                answer = f"{last.method} {last.url}\nHTTP {last.status or 'none'}" if last else ""
                if last and (reference := last.headers.get(self.request_ref_header)):
                    answer += f" · Twilio-Request-Id {reference}"
                return CheckResult(**{**vars(result), "answer": answer + (f"\ncode {problem.code}" if problem.code else "")})

    def _check(self) -> CheckResult:
        account = self._call(lambda: self._with_token.api.accounts(self.settings["account_sid"]).fetch())
        if self.settings.get("api_key_sid"):
            # a standard key may not read the account, but it lists messages if it can send them
            self._call_with_key(lambda: self._sending.messages.list(limit=1, page_size=1))
        if account.status != "active":
            return CheckResult(
                False, f"The Twilio account is {account.status}.",
                "It signs in, but Twilio sends nothing for it.",
                ("Open the Twilio Console and see why under **Account**, or ask Twilio’s support.", "Test again."), code="20005",
            )  # fmt: skip
        able = self._check_service() if self.settings["sender"].startswith("MG") else self._check_number()
        if not able.ok:
            return able
        kind = "trial" if account.type == "Trial" else "full"
        warnings: tuple[str, ...] = (
            ("This is a trial account: it reaches verified numbers only, and to others Twilio answers 21608. "
             "Verify a number in the Console, or upgrade the account.",)
            if kind == "trial" else ()
        )  # fmt: skip
        title = "Twilio is ready, with one limit." if warnings else "Twilio is ready."
        if self.secondary_opens() is False:
            warnings += ("Twilio refused the secondary Auth Token, so no callback is signed with it. Copy it from the Console again, "
                         "or, when no rotation is under way, paste the Auth Token there: then none is kept.",)  # fmt: skip
        return CheckResult(True, title, f"Signed in as {account.friendly_name} ({kind} account). {able.text}", warnings=warnings)

    def _check_number(self) -> CheckResult:
        number = self.settings["sender"]
        owned = self._call(lambda: self._with_token.incoming_phone_numbers.list(phone_number=number, limit=20))
        match = next((n for n in owned if n.phone_number == number), None)  # Twilio also matches parts of a number
        if match is None:
            return CheckResult(
                False, f"{number} is not a number of this Twilio account.",
                "Twilio would refuse every message from it (21606).",
                ("In the Twilio Console open **Phone Numbers**, **Active numbers**.",
                 "Copy one with the **SMS** capability into the field below, or buy one, and test again."),
                field="sender", code="21606",
            )  # fmt: skip
        can = [word for word, able in (("SMS", _capability(match, "sms")), ("MMS", _capability(match, "mms"))) if able]
        if "SMS" not in can:
            return CheckResult(
                False, f"{number} cannot send SMS.", "The number belongs to the account, but has no SMS capability (21661).",
                ("Choose a number with the **SMS** capability under **Phone Numbers**, **Active numbers**.", "Test again."),
                field="sender", code="21661",
            )  # fmt: skip
        return CheckResult(True, "", f"{number} can send {' and '.join(can)}.")

    def _check_service(self) -> CheckResult:
        sid = self.settings["sender"]
        try:
            service = self._call(lambda: self._with_token.messaging.v1.services(sid).fetch())
        except PermanentError as problem:
            return CheckResult(
                False, "The Messaging Service is not one of this account.", f"Twilio does not know {sid} here.",
                ("In the Twilio Console open **Messaging**, **Services**, and copy the SID that starts with MG.", "Test again."),
                field="sender", code=problem.code,
            )  # fmt: skip
        return CheckResult(True, "", f"Sends from the Messaging Service {service.friendly_name}.")

    def _call_with_key(self, call: Any) -> None:
        try:
            self._call(call)
        except ConnectionBroken as problem:
            raise ConnectionBroken("The API key", problem.code) from None

    def _refused(self, problem: SendError) -> CheckResult:
        """Say why signing in failed, by what Twilio answered."""
        if str(problem) == "The API key":
            return CheckResult(
                False, "Twilio refused the API key.", "The Account SID and Auth Token open the account, but this key and secret do not.",
                ("In the Twilio Console open **Account**, then **API keys & tokens**.",
                 "Make a new standard key there, and paste its SID and secret below; or empty both fields to send with the Auth Token.",
                 "Choose **Test connection**."),
                field="api_key_secret", code=problem.code,
            )  # fmt: skip
        if isinstance(problem, ConnectionBroken) and problem.code in ("", "20003"):
            if self.secondary_opens():
                return CheckResult(
                    False, "Twilio refused the Auth Token, and takes the secondary one.",
                    "The secondary token was promoted, so the first one opens nothing any more. Callbacks are still verified, by the "
                    "secondary one.",
                    ("Paste the secondary token into **Auth Token**. The other field empties itself when you save.",
                     "Choose **Test connection**, then **Save**."),
                    field="auth_token", code=problem.code or "20003",
                )  # fmt: skip
            sid = self.settings["account_sid"]
            return CheckResult(
                False, "Twilio refused the Auth Token.",
                "The Account SID looks right, but this token does not open it. Most often the token was rolled in the Console, "
                "or belongs to a subaccount.",
                ("In the Twilio Console open **Account**, then **API keys & tokens**.",
                 f"Check that the account shown is `{sid[:4]}…{sid[-4:]}`, and copy its **Auth Token**.",
                 "Paste it below and choose **Test connection**."),
                field="auth_token", code=problem.code or "20003",
            )  # fmt: skip
        if problem.code == "20404":
            return CheckResult(
                False, "Twilio has no account with this SID.", "It has the right form, but Twilio does not know it.",
                ("Copy the **Account SID** from the first page of the Twilio Console.", "Paste it below and choose **Test connection**."),
                field="account_sid", code=problem.code,
            )  # fmt: skip
        return CheckResult(False, "Twilio could not be asked.", str(problem), ("Wait a minute and test again.",), code=problem.code)

    @webhook("twilio/sms")
    def on_status(self, request: WebhookRequest) -> list[StatusUpdate]:
        return [] if is_inbound(said(request)) else [self.read_status(request)]


def _capability(number: Any, name: str) -> bool:
    # the SDK gives a mapping; its keys are lower case in the API and were upper case in older answers
    capabilities = {key.lower(): value for key, value in dict(number.capabilities or {}).items()}
    return bool(capabilities.get(name))
