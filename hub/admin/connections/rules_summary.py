"""The rules of a connection in a few lines, for the page with its settings."""

from __future__ import annotations

from hub.admin.view.filters import money, number
from hub.core.vocabulary import Channel
from hub.messaging.policy import policy
from hub.messaging.policy.rules import Rules
from hub.models import Connection

ON_PHONES = (Channel.SMS, Channel.WHATSAPP, Channel.VOICE)
MOST_COUNTRIES = 8  # more are counted


def summary(connection: Connection) -> list[tuple[str, str]]:
    """Return each rule of a connection and what it requires, also where nothing is required."""
    rules = policy.rules_of(connection.info)
    lines = [("Consent", _consent(rules))]
    if connection.channel in ON_PHONES:
        lines.append(("Countries", _countries(rules)))
    lines += [
        ("Messages to one recipient", _limits(_counts(rules))),
        ("Spending", _limits(_amounts(rules))),
        ("Quiet hours", f"{rules.quiet.begins} to {rules.quiet.ends}" if rules.quiet else "None"),
    ]
    return lines


def _consent(rules: Rules) -> str:
    if not rules.consent:
        return "Not required"
    return f"Required, valid for {rules.consent_days} days" if rules.consent_days else "Required"


def _countries(rules: Rules) -> str:
    if not rules.countries:
        return "Every country"
    if len(rules.countries) > MOST_COUNTRIES:
        return f"{len(rules.countries)} countries"
    return ", ".join(sorted(rules.countries))


def _counts(rules: Rules) -> list[tuple[str, str]]:
    found = [(rules.per_hour, "an hour"), (rules.per_day, "a day")]
    return [(number(count), period) for count, period in found if count]


def _amounts(rules: Rules) -> list[tuple[str, str]]:
    found = [(rules.spend_day, "a day"), (rules.spend_month, "a month")]
    return [(f"{money(amount)} {rules.currency}", period) for amount, period in found if amount]


def _limits(found: list[tuple[str, str]]) -> str:
    limits = ", ".join(f"{most} {period}" for most, period in found)
    return f"At most {limits}" if limits else "No limit"
