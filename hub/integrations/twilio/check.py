"""Test a Twilio account without sending: it is active, and the key and the sender belong to it."""

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
from hub.integrations.twilio import check_failures
from hub.integrations.twilio.integration import TwilioIntegration

TRIAL = (
    "This is a trial account, which can send only to verified numbers. For other numbers Twilio"
    " returns 21608. Verify a number in the Twilio Console, or upgrade the account."
)
SECONDARY_REJECTED = (
    "Twilio rejected the secondary Auth Token, so Twilio signs no callbacks with it. Copy it"
    " from the"
    " Console again. If no rotation is in progress, paste the Auth Token there to remove it."
)


class KeyRejected(ConnectionBroken):
    """Twilio accepts the Auth Token and rejects the API key."""


class CheckedTwilio(TwilioIntegration):
    """A product of Twilio's whose settings can be tested; a subclass checks its senders."""

    def _check_sender(self) -> CheckResult:
        """Check that the sender is a number of the account that can send messages."""
        raise NotImplementedError

    def check(self) -> CheckResult:
        with record_exchanges() as exchanges:
            try:
                return self._check()
            except SendError as error:
                result = self._failed_check(error)
                response = describe_last(exchanges, error.code, self.request_ref_header)
                return replace(result, response=response)

    def _check(self) -> CheckResult:
        account = self._call(
            lambda: self._with_token.api.accounts(self.settings["account_sid"]).fetch()
        )
        if self.settings.get("api_key_sid"):
            # a standard key may not read the account, but it lists messages if it can send them
            self._call_with_key(lambda: self._sending.messages.list(limit=1, page_size=1))
        if account.status != "active":
            return check_failures.report_inactive_account(account.status)
        result = self._check_senders()
        if not result.ok:
            return result
        is_trial = account.type == "Trial"
        warnings = (
            *((TRIAL,) if is_trial else ()),
            *result.warnings,
            *((SECONDARY_REJECTED,) if self.is_secondary_token_valid() is False else ()),
        )
        limited = is_trial or bool(result.warnings)
        return CheckResult(
            True,
            "Twilio is ready, with one limitation." if limited else "Twilio is ready.",
            f"Signed in as {account.friendly_name} ({'trial' if is_trial else 'full'} account)."
            f" {result.text}",
            warnings=warnings,
        )

    def _check_senders(self) -> CheckResult:
        """Check the default sender, then the Messaging Services of countries."""
        sender = self.settings["sender"]
        result = (
            self._check_service(sender, "sender")
            if sender.startswith("MG")
            else self._check_sender()
        )
        for service in dict.fromkeys(self.settings.get("services", {}).values()):
            if not result.ok:
                return result
            checked = self._check_service(service, "services", result.text)
            result = replace(checked, warnings=result.warnings)
        return result

    def _check_service(self, sid: str, field: str, before: str = "") -> CheckResult:
        try:
            service = self._call(lambda: self._with_token.messaging.v1.services(sid).fetch())
        except PermanentError as error:
            return check_failures.report_unknown_service(sid, field, error.code)
        countries = ", ".join(
            country
            for country, country_service in self.settings.get("services", {}).items()
            if country_service == sid and field == "services"
        )
        sentence = (
            f"Sends{f' to {countries}' if countries else ''} through the Messaging Service"
            f" {service.friendly_name}."
        )
        return CheckResult(True, "", f"{before} {sentence}".strip())

    def _call_with_key(self, call: Any) -> None:
        try:
            self._call(call)
        except ConnectionBroken as error:
            raise KeyRejected(str(error), error.code) from None

    def _failed_check(self, problem: SendError) -> CheckResult:
        """Return the result of a test that Twilio refused, by its code."""
        if isinstance(problem, KeyRejected):
            return check_failures.report_rejected_key(problem.code)
        if isinstance(problem, ConnectionBroken) and problem.code in ("", "20003"):
            code = problem.code or "20003"
            if self.is_secondary_token_valid():
                return check_failures.report_promoted_secondary_token(code)
            return check_failures.report_rejected_token(self.settings["account_sid"], code)
        if problem.code == "20404":
            return check_failures.report_unknown_account(problem.code)
        return check_failures.report_unreachable(problem)
