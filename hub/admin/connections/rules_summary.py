"""Summarize the rules of a connection in a few lines, for the page with its settings."""

from __future__ import annotations

from hub import integrations
from hub.admin.view.filters import money, number
from hub.connections import link_shorteners
from hub.core.errors import NotFound
from hub.core.vocabulary import PHONE_CHANNELS, Channel
from hub.messaging.policy import policy
from hub.messaging.policy.rules import SHORT_LINKS, Rules
from hub.models import Connection

MAX_COUNTRIES = 8  # above this, only their number is shown


def summarize_rules(connection: Connection) -> list[tuple[str, str]]:
    """Return the title and value of each rule of a connection, including rules that are not set."""
    rules = policy.get_rules(connection.info)
    lines = [("Consent", _consent(rules))]
    if connection.channel in PHONE_CHANNELS:
        lines.append(("Countries", _countries(rules)))
    lines += [
        ("Limits per recipient", _limits(_counts(rules))),
        ("Spending", _limits(_amounts(rules))),
        *_links(connection, rules),
        ("Quiet hours", _quiet_hours(connection, rules)),
    ]
    return lines


def _links(connection: Connection, rules: Rules) -> list[tuple[str, str]]:
    if connection.channel != Channel.SMS:
        return []
    kinds = link_shorteners.list_link_kinds()
    # without its service, a connection sends the links of Signpost
    return [("Links in SMS", kinds.get(rules.short_links, kinds[SHORT_LINKS]))]


def _quiet_hours(connection: Connection, rules: Rules) -> str:
    hours = [str(rules.quiet)] if rules.quiet else []
    try:
        never_between = integrations.get(connection.integration).never_between
    except NotFound:
        never_between = ()
    if never_between:
        hours.append(f"always {' to '.join(never_between)}")
    text = ", ".join(hours)
    return f"{text[:1].upper()}{text[1:]}" if text else "None"


def _consent(rules: Rules) -> str:
    if not rules.consent:
        return "Not required"
    return f"Required, valid for {rules.consent_days} days" if rules.consent_days else "Required"


def _countries(rules: Rules) -> str:
    if not rules.countries:
        return "Every country"
    if len(rules.countries) > MAX_COUNTRIES:
        return f"{len(rules.countries)} countries"
    return ", ".join(sorted(rules.countries))


def _counts(rules: Rules) -> list[tuple[str, str]]:
    counts = [(rules.per_hour, "per hour"), (rules.per_day, "per day")]
    return [(number(count), period) for count, period in counts if count]


def _amounts(rules: Rules) -> list[tuple[str, str]]:
    amounts = [(rules.spend_day, "per day"), (rules.spend_month, "per month")]
    return [(money(amount, rules.currency), period) for amount, period in amounts if amount]


def _limits(limits: list[tuple[str, str]]) -> str:
    text = ", ".join(f"{limit} {period}" for limit, period in limits)
    return text if text else "No limit"
