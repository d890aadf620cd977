"""Show and change a connection's rules: consent, countries, limits, spending and quiet hours."""

from __future__ import annotations

from collections.abc import Callable
from datetime import time
from decimal import Decimal
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask_wtf import FlaskForm
from wtforms import (
    BooleanField,
    IntegerField,
    SelectField,
    StringField,
    TextAreaField,
    TimeField,
)
from wtforms.validators import InputRequired, Optional, ValidationError

from hub import integrations
from hub.admin.auth.guard import admin, has_role, require_role
from hub.admin.overview.damaged_row_notice import show_damaged_row_notice
from hub.admin.view.forms import add_error
from hub.admin.view.status_badges import channel_title
from hub.connections import connections, link_shorteners
from hub.connections import rules as stored_rules
from hub.core.errors import NotFound, Refused
from hub.core.vocabulary import PHONE_CHANNELS, Channel, Role
from hub.db.types import now
from hub.messaging.policy import policy, quiet_hours, rules, spending
from hub.messaging.policy.quiet_hours import SUNDAY, QuietHours
from hub.messaging.policy.rules import Rules
from hub.models import Connection

NUMBER: dict[str, Any] = {"inputmode": "numeric", "half": True}
MONEY: dict[str, Any] = {"inputmode": "decimal", "half": True, "autocomplete": "off"}
# the unit that a provider charges for, if it is not a message
PRICE_LABELS: dict[str, str] = {Channel.SMS: "Price per segment", Channel.VOICE: "Price per minute"}


class RulesForm(FlaskForm):  # type: ignore[misc]
    """The rules of one connection. An empty field sets no rule."""

    consent = BooleanField(
        "Require recorded consent",
        render_kw={"legend": "Consent"},
        description=(
            "Contacts without a recorded opt-in receive only replies to their own"
            " messages, and messages that a user sends from a page."
        ),
    )
    consent_days = IntegerField(
        "Consent expires after (days)",
        [Optional()],
        render_kw={**NUMBER, "half": False},
        description="Leave empty if consent does not expire.",
    )
    countries = StringField(
        "Allowed countries",
        render_kw={
            "legend": "Countries",
            "mono": True,
            "placeholder": "US, CA, DE",
            "autocomplete": "off",
        },
        description=(
            "Enter two-letter country codes, separated by commas. Leave empty to allow every"
            " country. Messages to other countries are blocked, which prevents fraud with"
            " premium-rate numbers."
        ),
    )
    per_hour = IntegerField(
        "Messages per hour",
        [Optional()],
        render_kw={**NUMBER, "legend": "Limits per recipient"},
    )
    per_day = IntegerField("Messages per day", [Optional()], render_kw=NUMBER)
    currency = StringField(
        "Currency",
        [InputRequired("Enter a currency code of three letters, such as USD.")],
        render_kw={"legend": "Spending", "mono": True, "maxlength": 3, "autocomplete": "off"},
    )
    prices = TextAreaField(
        "Price per message",
        render_kw={
            "rows": 4,
            "mono": True,
            "placeholder": "US: 0.0083\nDE: 0.1\nother: 0.25",
        },
        description=(
            "Enter one line for each country with its price, and one line for all other"
            " countries. Copy the prices from your provider’s price list."
            " Spending is an estimate until the provider reports the price."
        ),
    )
    spend_day = StringField("Daily limit", render_kw=MONEY)
    spend_month = StringField(
        "Monthly limit",
        render_kw={**MONEY, "shared_help": True},
        description="Days and months are counted in UTC.",
    )
    opt_out_line = StringField(
        "Opt-out line",
        render_kw={"legend": "First SMS to a contact", "autocomplete": "off", "maxlength": 120},
        description=(
            "The last line of the first SMS about a request to each contact. It counts toward the"
            " segments. The line `Reply STOP to opt out.` is sent in the language of the text."
        ),
    )
    opt_out_prefixes = StringField(
        "Country codes of the line",
        render_kw={"mono": True, "placeholder": "+1", "autocomplete": "off"},
        description=(
            "Enter the codes of the numbers that get the line, separated by commas. Carriers"
            " require it for +1. Leave empty to send the line to no one."
        ),
    )
    short_links = SelectField(
        "Links in SMS",
        choices=rules.LINK_KINDS,
        default=rules.SHORT_LINKS,
        render_kw={"legend": "Links"},
        description=(
            "A short link costs fewer characters, is valid until 30 days after the request closes,"
            " and shows when it was opened."
        ),
    )
    quiet_preset = SelectField(
        "Preset",
        default="",
        choices={"": "Use the hours below"}
        | {name: title for name, (title, _) in quiet_hours.PRESETS.items()},
        render_kw={"legend": "Quiet hours in the recipient’s local time"},
        description=(
            "A preset replaces the hours below when you save. Presets are for advertising, and"
            " laws change. Check with a lawyer which hours apply to your messages."
        ),
    )
    quiet_from = TimeField("From", [Optional()], render_kw={"half": True})
    quiet_to = TimeField(
        "To",
        [Optional()],
        render_kw={"half": True, "shared_help": True},
        description=(
            "Messages that are due during quiet hours are sent when the hours end. Signpost uses"
            " the time zone that your app sends, or the time zone of the phone number. If a"
            " number can be in several time zones, such as +1 or +7, quiet hours apply in"
            " all of them. If the time zone is unknown, quiet hours do not apply."
        ),
    )
    quiet_sundays = BooleanField("No messages on Sundays")
    quiet_waits = BooleanField(
        "Let messages expire instead of sending them in quiet hours",
        description="If off, a message that would expire is sent during quiet hours.",
    )

    def validate_countries(self, field: StringField) -> None:
        _check(rules.parse_countries, field.data or "")

    def validate_opt_out_prefixes(self, field: StringField) -> None:
        _check(rules.parse_prefixes, field.data or "")

    def validate_prices(self, field: TextAreaField) -> None:
        _check(rules.parse_prices, field.data or "")

    def validate_spend_day(self, field: StringField) -> None:
        _check(rules.parse_amount, field.data or "", field.name)

    def validate_spend_month(self, field: StringField) -> None:
        _check(rules.parse_amount, field.data or "", field.name)


def _check(parse: Callable[..., object], *arguments: str) -> None:
    """Parse the text of a field, so that its error is shown together with those of others."""
    try:
        parse(*arguments)
    except Refused as refusal:
        raise ValidationError(str(refusal)) from refusal


def _get_channel(slug: str) -> Connection:
    """Return a connection that sends messages. Raises NotFound."""
    connection = connections.get_by_slug(slug)
    integration_class = integrations.registry().get(connection.integration)
    if integration_class is not None and integration_class.is_source:
        raise NotFound("no_rules", f"{connection.title} sends no messages, so it has no rules.")
    return connection


@admin.get("/connections/<slug>/rules")
@require_role(Role.VIEWER)
@show_damaged_row_notice("connections")
def connection_rules(slug: str) -> Any:
    """Show the rules of a connection."""
    connection = _get_channel(slug)
    values = _form_values(policy.get_rules(connection.info))
    return _page(connection, _offer_links(RulesForm(formdata=None, data=values)))


@admin.post("/connections/<slug>/rules")
@require_role(Role.ADMIN)
def change_connection_rules(slug: str) -> Any:
    """Save the rules of a connection."""
    form = _offer_links(RulesForm(request.form))
    connection_id = _get_channel(slug).id
    try:
        if form.validate() and _is_consistent(form, entered := _rules_from(form)):
            stored_rules.save(connection_id, entered)
            flash("Changes saved. They apply to new and waiting messages.", "good")
            return redirect(url_for("admin.connection_rules", slug=slug), 303)
    except Refused as refusal:
        add_error(form, refusal)
    return _page(connections.get_by_slug(slug), form), 422


def _offer_links(form: RulesForm) -> RulesForm:
    """Offer the services that are set up, too."""
    form.short_links.choices = list(link_shorteners.list_link_kinds().items())
    return form


def _is_consistent(form: RulesForm, entered: Rules) -> bool:
    """Return whether the rules are valid together, and add each contradiction to its field."""
    problems = list(rules.find_problems(entered))
    for problem in problems:
        add_error(form, problem)
    return not problems


def _page(connection: Connection, form: RulesForm) -> str:
    current = policy.get_rules(connection.info)
    if connection.channel not in PHONE_CHANNELS:
        del form.countries  # only phone numbers have a country
    if connection.channel != Channel.SMS:
        del form.opt_out_line
        del form.opt_out_prefixes
        del form.short_links
    form.prices.label.text = PRICE_LABELS.get(connection.channel, form.prices.label.text)
    spent = spending.read_spending(connection.id, now()) if current.has_prices else None
    return render_template(
        "rules.html",
        connection=connection,
        form=form,
        rules=current,
        spent=spent,
        is_line_held=(
            connection.channel == Channel.SMS and rules.HELD_PREFIX in current.opt_out_prefixes
        ),
        near_limit=spent is not None and spent.share(current) >= spending.ALERT,
        channel=channel_title(connection.channel),
        may_change=has_role(Role.ADMIN) and connection.archived_at is None,
    )


def _form_values(current: Rules) -> dict[str, Any]:
    prices = current.prices
    lines = [f"{country}: {price}" for country, price in sorted(prices.items()) if country]
    if rules.OTHERS in prices:
        lines.append(f"other: {prices[rules.OTHERS]}")
    return {
        "consent": current.consent,
        "consent_days": current.consent_days or None,
        "countries": ", ".join(sorted(current.countries)),
        "per_hour": current.per_hour or None,
        "per_day": current.per_day or None,
        "prices": "\n".join(lines),
        "currency": current.currency,
        "spend_day": _money(current.spend_day),
        "spend_month": _money(current.spend_month),
        "quiet_from": time.fromisoformat(current.quiet.start) if current.quiet else None,
        "quiet_to": time.fromisoformat(current.quiet.end) if current.quiet else None,
        "quiet_sundays": current.quiet is not None and SUNDAY in current.quiet.quiet_days,
        "quiet_waits": current.quiet_waits,
        "short_links": current.short_links,
        "opt_out_line": current.opt_out_line,
        "opt_out_prefixes": ", ".join(sorted(current.opt_out_prefixes)),
    }


def _quiet_hours_from(form: RulesForm) -> QuietHours | None:
    """Return the entered quiet hours, or those of the chosen preset. Raises Refused."""
    if form.quiet_preset.data:
        return quiet_hours.PRESETS[form.quiet_preset.data][1]
    begins = form.quiet_from.data
    ends = form.quiet_to.data
    if (begins is None) != (ends is None):
        raise Refused(
            "half_a_night",
            "Enter both times, or neither.",
            field="quiet_from" if begins is None else "quiet_to",
        )
    if begins is not None and begins == ends:
        raise Refused(
            "no_night",
            "Quiet hours begin and end at the same time, so nothing could be sent. Enter"
            " another time.",
            field="quiet_to",
        )
    if begins is None and form.quiet_sundays.data:
        raise Refused(
            "half_a_night",
            "Enter the hours that apply on the other days.",
            field="quiet_from",
        )
    if begins is None:
        return None
    sundays = (SUNDAY,) if form.quiet_sundays.data else ()
    return QuietHours(f"{begins:%H:%M}", f"{ends:%H:%M}", sundays)


def _rules_from(form: RulesForm) -> Rules:
    return Rules(
        consent=bool(form.consent.data),
        consent_days=form.consent_days.data or 0,
        countries=(
            rules.parse_countries(form.countries.data or "") if "countries" in form else frozenset()
        ),
        per_hour=form.per_hour.data or 0,
        per_day=form.per_day.data or 0,
        currency=(form.currency.data or "").strip().upper(),
        prices=rules.parse_prices(form.prices.data or ""),
        spend_day=rules.parse_amount(form.spend_day.data or "", "spend_day"),
        spend_month=rules.parse_amount(form.spend_month.data or "", "spend_month"),
        quiet=_quiet_hours_from(form),
        quiet_waits=bool(form.quiet_waits.data),
        short_links=form.short_links.data or rules.SHORT_LINKS,
        opt_out_line=(form.opt_out_line.data or "").strip(),
        opt_out_prefixes=rules.parse_prefixes(form.opt_out_prefixes.data or ""),
    )


def _money(amount: Decimal) -> str:
    return f"{amount:f}" if amount else ""
