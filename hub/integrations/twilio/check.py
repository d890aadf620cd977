"""Test a Twilio account without sending: it is active, the key may send, and the sender belongs to
it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hub.integrations.api import (
    CheckResult,
    ConnectionBroken,
    PermanentError,
    SendError,
    describe_last,
    record_exchanges,
)
from hub.integrations.twilio.integration import TwilioIntegration


class CheckedTwilio(TwilioIntegration):
    """A product of Twilio's whose settings can be tested; a subclass says how its sender is."""

    def _check_sender(self) -> CheckResult:
        """Prove that what messages are sent from, a number of the account, can do so."""
        raise NotImplementedError

    def check(self) -> CheckResult:
        with record_exchanges() as exchanges:
            try:
                return self._check()
            except SendError as problem:
                result = self._refused(problem)
                response = describe_last(exchanges, problem.code, self.request_ref_header)
                return replace(result, response=response)

    def _check(self) -> CheckResult:
        account = self._call(
            lambda: self._with_token.api.accounts(self.settings["account_sid"]).fetch()
        )
        if self.settings.get("api_key_sid"):
            # a standard key may not read the account, but it lists messages if it can send them
            self._call_with_key(lambda: self._sending.messages.list(limit=1, page_size=1))
        if account.status != "active":
            return CheckResult(
                False,
                f"The Twilio account is {account.status}.",
                "The credentials are correct, but Twilio sends no messages for this account.",
                (
                    (
                        "In the Twilio Console open **Account** and check the reason, or"
                        " contact Twilio’s support."
                    ),
                    "Choose **Test connection**.",
                ),
                code="20005",
            )
        sender = self.settings["sender"]
        able = (
            self._check_service(sender, "sender")
            if sender.startswith("MG")
            else self._check_sender()
        )
        for service in dict.fromkeys(self.settings.get("services", {}).values()):
            able = self._check_service(service, "services", able.text) if able.ok else able
        if not able.ok:
            return able
        kind = "trial" if account.type == "Trial" else "full"
        warnings: tuple[str, ...] = (
            (
                (
                    "This is a trial account, which can send only to verified numbers."
                    " For other numbers Twilio returns 21608. Verify a number in the"
                    " Console, or upgrade the account."
                ),
            )
            if kind == "trial"
            else ()
        )
        warnings += able.warnings
        title = "Twilio is ready, with one limit." if warnings else "Twilio is ready."
        if self.secondary_opens() is False:
            warnings += (
                (
                    "Twilio rejected the secondary Auth Token, so no callback is signed"
                    " with it. Copy it from the Console again. If no rotation is in"
                    " progress, paste the Auth Token there to remove it."
                ),
            )
        return CheckResult(
            True,
            title,
            f"Signed in as {account.friendly_name} ({kind} account). {able.text}",
            warnings=warnings,
        )

    def _check_service(self, sid: str, field: str, before: str = "") -> CheckResult:
        try:
            service = self._call(lambda: self._with_token.messaging.v1.services(sid).fetch())
        except PermanentError as problem:
            return CheckResult(
                False,
                "The Messaging Service does not belong to this account.",
                f"Twilio does not know {sid} in this account.",
                (
                    (
                        "In the Twilio Console open **Messaging**, **Services**, and copy the SID"
                        " that starts with MG."
                    ),
                    "Choose **Test connection**.",
                ),
                field=field,
                code=problem.code,
            )
        where = ", ".join(
            country
            for country, one in self.settings.get("services", {}).items()
            if one == sid and field == "services"
        )
        said = (
            f"Sends{f' to {where}' if where else ''} through the Messaging Service"
            f" {service.friendly_name}."
        )
        return CheckResult(True, "", f"{before} {said}".strip())

    def _call_with_key(self, call: Any) -> None:
        try:
            self._call(call)
        except ConnectionBroken as problem:
            raise ConnectionBroken("The API key", problem.code) from None

    def _refused(self, problem: SendError) -> CheckResult:
        """Say why signing in failed, by what Twilio answered."""
        if str(problem) == "The API key":
            return CheckResult(
                False,
                "Twilio rejected the API key.",
                "The Account SID and Auth Token are correct, but this key and secret are not.",
                (
                    "In the Twilio Console open **Account**, then **API keys & tokens**.",
                    (
                        "Create a standard key there, and paste its SID and secret below."
                        " Or clear both fields to send with the Auth Token."
                    ),
                    "Choose **Test connection**.",
                ),
                field="api_key_secret",
                code=problem.code,
            )
        if isinstance(problem, ConnectionBroken) and problem.code in ("", "20003"):
            if self.secondary_opens():
                return CheckResult(
                    False,
                    "Twilio rejected the Auth Token, but accepts the secondary one.",
                    "The secondary token was promoted, so the old Auth Token is no longer"
                    " valid. Callbacks are still verified with the secondary token.",
                    (
                        (
                            "Paste the secondary token into **Auth Token**. Signpost"
                            " clears the other field when you save."
                        ),
                        "Choose **Test connection**, then **Save**.",
                    ),
                    field="auth_token",
                    code=problem.code or "20003",
                )
            sid = self.settings["account_sid"]
            return CheckResult(
                False,
                "Twilio rejected the Auth Token.",
                "The Account SID has the correct form, but this token does not match it."
                " The token was probably rotated in the Console, or belongs to a"
                " subaccount.",
                (
                    "In the Twilio Console open **Account**, then **API keys & tokens**.",
                    (
                        f"Check that the account shown is `{sid[:4]}…{sid[-4:]}`, and copy its"
                        " **Auth Token**."
                    ),
                    "Paste it below and choose **Test connection**.",
                ),
                field="auth_token",
                code=problem.code or "20003",
            )
        if problem.code == "20404":
            return CheckResult(
                False,
                "Twilio has no account with this SID.",
                "It has the correct form, but Twilio does not know it.",
                (
                    "Copy the **Account SID** from the first page of the Twilio Console.",
                    "Paste it below and choose **Test connection**.",
                ),
                field="account_sid",
                code=problem.code,
            )
        return CheckResult(
            False,
            "Could not reach Twilio.",
            str(problem),
            ("Wait a minute and test again.",),
            code=problem.code,
        )
