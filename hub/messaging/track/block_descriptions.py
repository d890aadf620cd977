"""Describe what blocked a suppressed message, in one sentence: a rule, or an opt-out."""

from __future__ import annotations

from collections.abc import Mapping

from hub.messaging.contacts.suppressions import (
    BY_ADMIN,
    BY_API,
    BY_COMPLAINT,
    BY_IMPORT,
    BY_PROVIDER,
    BY_UNSUBSCRIBE,
)
from hub.messaging.policy import opt_out_kinds
from hub.messaging.policy.opt_out_kinds import OPTED_OUT_OF_SMS, OptOutKind
from hub.messaging.policy.policy import QUIET
from hub.messaging.policy.session_windows import WINDOW_CLOSED

# the names of rules as on the page Rules, by the code of the messages that they block
RULE_NAMES: Mapping[str, str] = {
    "consent_missing": "Require recorded consent",
    "consent_old": "Consent expires after",
    "country_not_allowed": "Allowed countries",
    "cap_hour": "Messages per hour",
    "cap_day": "Messages per day",
    "spend_day": "Daily limit",
    "spend_month": "Monthly limit",
}
_OPTED_OUT = "The recipient opted out."
_NO_FREE_TEXT = "The recipient has not written recently, so free text is not allowed."
_SENTENCES: Mapping[str, str] = {
    "": "A rule or an opt-out blocked it.",
    QUIET: "Blocked by the rule Quiet hours. The message would expire before they end.",
    "consent_no": "The recipient refused consent.",
    WINDOW_CLOSED: _NO_FREE_TEXT,
    f"{WINDOW_CLOSED}_text": _NO_FREE_TEXT,
    OPTED_OUT_OF_SMS: "The recipient opted out of SMS, which covers calls.",
    BY_COMPLAINT: "The recipient complained about messages.",
    **dict.fromkeys(
        (BY_ADMIN, BY_API, BY_IMPORT, BY_UNSUBSCRIBE, "keyword", "keyword_elsewhere"), _OPTED_OUT
    ),
}


def describe_block(code: str, channel: str, integration: str) -> str:
    """Return what blocked a suppressed message: one of the rules, or an opt-out of any kind.

    `channel` and `integration` are those of the message. Another connection of the channel may have
    reported the opt-out.
    """
    if sentence := _SENTENCES.get(code):
        return sentence
    if rule := RULE_NAMES.get(code):
        return f"Blocked by the rule {rule}."
    kinds = {
        opt_out_kinds.kind_of(BY_PROVIDER, code, channel, reporter)
        for reporter in (integration, "")
    }
    # a provider reports returned and unwanted emails by codes that do not tell them apart
    return _OPTED_OUT if OptOutKind.OPTED_OUT in kinds else "The address is blocked."
