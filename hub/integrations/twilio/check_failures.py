"""Results of failed connection tests: the cause, the remedy, and the setting at fault."""

from __future__ import annotations

from hub.integrations.api import CheckResult, SendError

TEST = "Choose **Test connection**."
PASTE_AND_TEST = "Paste it below and choose **Test connection**."
OPEN_KEYS = "In the Twilio Console, open **Account**, then **API keys & tokens**."


def report_inactive_account(status: str) -> CheckResult:
    """Report an account that is suspended or closed."""
    return CheckResult(
        False,
        f"The Twilio account is {status}.",
        "The credentials are correct, but Twilio sends no messages for this account.",
        (
            "In the Twilio Console, open **Account** and check the reason, or contact Twilio’s"
            " support.",
            TEST,
        ),
        code="20005",
    )


def report_unknown_account(code: str) -> CheckResult:
    """Report an Account SID that Twilio does not know."""
    return CheckResult(
        False,
        "Twilio has no account with this SID.",
        "It looks right, but Twilio did not find it.",
        (
            "Copy the **Account SID** from the first page of the Twilio Console.",
            PASTE_AND_TEST,
        ),
        field="account_sid",
        code=code,
    )


def report_rejected_token(account_sid: str, code: str) -> CheckResult:
    """Report an Auth Token that does not match the account."""
    shown = f"{account_sid[:4]}…{account_sid[-4:]}"
    return CheckResult(
        False,
        "Twilio rejected the Auth Token.",
        "The Account SID looks right, but this token does not match it."
        " The token was probably rotated in the Twilio Console, or belongs to a subaccount.",
        (
            OPEN_KEYS,
            f"Check that the account shown is `{shown}`, and copy its **Auth Token**.",
            PASTE_AND_TEST,
        ),
        field="auth_token",
        code=code,
    )


def report_promoted_secondary_token(code: str) -> CheckResult:
    """Report an Auth Token that the secondary one has replaced."""
    return CheckResult(
        False,
        "Twilio rejected the Auth Token, but accepts the secondary one.",
        "The secondary token was promoted, so the old Auth Token is no longer valid."
        " Callbacks are still verified with the secondary token.",
        (
            "Paste the secondary token into **Auth Token**. Signpost clears the other field"
            " when you save.",
            "Choose **Test connection**, then **Save**.",
        ),
        field="auth_token",
        code=code,
    )


def report_rejected_key(code: str) -> CheckResult:
    """Report an API key that Twilio rejects although the Auth Token is correct."""
    return CheckResult(
        False,
        "Twilio rejected the API key.",
        "The Account SID and Auth Token are correct, but this key and secret are not.",
        (
            OPEN_KEYS,
            "Create a standard key there, and paste its SID and secret below."
            " Or clear both fields to send with the Auth Token.",
            TEST,
        ),
        field="api_key_secret",
        code=code,
    )


def report_unknown_service(sid: str, field: str, code: str) -> CheckResult:
    """Report a Messaging Service that the account does not have; `field` names its setting."""
    return CheckResult(
        False,
        "The Messaging Service does not belong to this account.",
        f"Twilio did not find {sid} in this account.",
        (
            "In the Twilio Console, open **Messaging**, **Services**, and copy the SID that starts"
            " with MG.",
            TEST,
        ),
        field=field,
        code=code,
    )


def report_unknown_whatsapp_sender(number: str) -> CheckResult:
    """Report a number that is not registered for WhatsApp."""
    return CheckResult(
        False,
        f"{number} is not a WhatsApp sender of this Twilio account.",
        "Twilio would reject every message from it (63007).",
        (
            "In the Twilio Console, open **Messaging**, **Senders**, **WhatsApp senders**.",
            "Copy a sender that is online into the field below, or register this number."
            " Then test again.",
        ),
        field="sender",
        code="63007",
    )


def report_offline_whatsapp_sender(number: str, status: str) -> CheckResult:
    """Report a WhatsApp sender that is not online yet, or no longer."""
    return CheckResult(
        False,
        f"The WhatsApp sender {number} is {status}.",
        "WhatsApp sends no messages from it until it is online.",
        (
            "In the Twilio Console, open **Messaging**, **Senders**, **WhatsApp senders**, and"
            " finish its registration.",
            TEST,
        ),
        field="sender",
    )


def report_unreachable(problem: SendError) -> CheckResult:
    """Report a test that got no usable response."""
    return CheckResult(
        False,
        "Could not reach Twilio.",
        str(problem),
        ("Wait a minute and test again.",),
        code=problem.code,
    )
