"""Rules of a connection are validated, and quiet hours hold in every zone at clock changes."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo, available_timezones

import phonenumbers
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hub.core.errors import Refused
from hub.lib import number_forms, phones
from hub.messaging.policy import quiet_hours, rules
from hub.messaging.policy.quiet_hours import QuietHours
from hub.messaging.policy.rules import Rules

ZONES = sorted(available_timezones())
NIGHT = QuietHours("21:00", "08:00")
moments = st.integers(1_704_067_200, 1_893_456_000).map(
    lambda seconds: datetime.fromtimestamp(seconds, UTC)
)
clocks = st.times().map(lambda at: at.strftime("%H:%M"))
hours = (
    st.tuples(clocks, clocks)
    .filter(lambda pair: pair[0] != pair[1])
    .map(lambda pair: QuietHours(*pair))
)


# ── Quiet hours ───────────────────────────────────────────────────────────────────────────────────
@given(hours, moments, st.sampled_from(ZONES))
@example(
    QuietHours("01:30", "02:30"), datetime(2026, 3, 29, 0, 45, tzinfo=UTC), "Europe/Berlin"
)  # 02:30 is skipped that night
@example(
    QuietHours("01:30", "02:30"), datetime(2026, 10, 25, 0, 15, tzinfo=UTC), "Europe/Berlin"
)  # and here it comes twice
@example(
    QuietHours("21:00", "08:00"), datetime(2026, 4, 5, 15, 0, tzinfo=UTC), "Australia/Lord_Howe"
)  # half an hour
@example(
    QuietHours("23:00", "12:00"), datetime(2011, 12, 30, 9, 30, tzinfo=UTC), "Pacific/Apia"
)  # a day that was not
def test_waiting_message_is_sent_once_allowed_and_no_earlier(
    night: QuietHours, moment: datetime, zone: str
) -> None:
    until = night.next_allowed(moment, [zone])
    zone_info = ZoneInfo(zone)
    if until is None:
        assert not night.contains(moment, zone_info)
        return
    assert night.contains(moment, zone_info)
    assert not night.contains(until, zone_info)
    assert moment < until <= moment + timedelta(hours=26)
    minutes = int((until - moment).total_seconds() // 60)
    for step in {0, 1, minutes // 3, minutes // 2, minutes - 1}:
        if moment + timedelta(minutes=step) < until:
            early = moment + timedelta(minutes=step)
            assert night.contains(early, zone_info) or until - early <= timedelta(hours=2), (
                "a clock that is put back may free an hour before"
            )


@given(hours, moments, st.lists(st.sampled_from(ZONES), min_size=1, max_size=5))
def test_message_is_sent_when_every_possible_zone_allows_it(
    night: QuietHours, moment: datetime, zones: list[str]
) -> None:
    until = night.next_allowed(moment, zones)
    sent_at = until or moment
    if sent_at - moment < quiet_hours.AHEAD:
        assert not any(night.contains(sent_at, ZoneInfo(zone)) for zone in zones)
    else:
        assert sent_at == moment + quiet_hours.AHEAD, "there is no such moment"


@pytest.mark.parametrize(
    ("at", "until"),
    [
        ("2026-11-21T20:59:59", None),
        ("2026-11-21T21:00:00", "2026-11-22T08:00:00"),
        ("2026-11-22T07:59:59", "2026-11-22T08:00:00"),
        ("2026-11-22T08:00:00", None),
        ("2026-11-22T00:00:00", "2026-11-22T08:00:00"),
    ],
)
def test_quiet_hours_in_utc(at: str, until: str | None) -> None:
    moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
    assert NIGHT.next_allowed(moment, ["UTC"]) == (
        datetime.fromisoformat(until).replace(tzinfo=UTC) if until else None
    )


def test_zones_of_a_number_are_all_zones_of_its_region() -> None:
    assert quiet_hours.recipient_zones("Asia/Tokyo", "+13175551234") == ("Asia/Tokyo",), (
        "what was given counts for more than the number"
    )
    assert quiet_hours.recipient_zones("", "+442071234567") == ("Europe/London",)
    assert {"America/New_York", "America/Los_Angeles"} <= set(
        quiet_hours.recipient_zones("", "+15551234567")
    ), "a number of no range: its whole country"
    assert len(quiet_hours.recipient_zones("", "+79161234567")) > 5, (
        "a Russian mobile may be anywhere in Russia"
    )
    assert (
        quiet_hours.recipient_zones("", "") == quiet_hours.recipient_zones("", "+88213300655") == ()
    ), "nothing is known, so nothing holds it back"
    assert NIGHT.next_allowed(datetime(2026, 1, 1, tzinfo=UTC), ["Mars/Olympus"]) is None, (
        "a zone that this machine does not know"
    )


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_example_numbers_of_every_country_belong_to_it(region: str) -> None:
    """The examples of libphonenumber are clean and have their country and a time zone."""
    for kind in (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE):
        sample = phonenumbers.example_number_for_type(region, kind)
        if sample is None:
            continue
        number = phonenumbers.format_number(sample, phonenumbers.PhoneNumberFormat.E164)
        assert phones.parse_strict(number) == number_forms.to_normal(number)
        if kind == phonenumbers.PhoneNumberType.MOBILE:
            elsewhere = {
                country
                for country in phones.COUNTRIES
                if not phonenumbers.is_valid_number_for_region(sample, country)
            }
            assert phones.country(number) not in elsewhere
            assert phones.time_zones(number), "quiet hours know what to ask"
            assert Rules(countries=frozenset({region})).allows_number(number)
            assert not Rules(countries=frozenset(elsewhere)).allows_number(number)


# ── Countries and prices ──────────────────────────────────────────────────────────────────────────
def test_unassigned_number_belongs_to_the_main_country_of_its_code() -> None:
    assert phones.country("+15551234567") == "US"
    assert phones.country("+18765551234") == "JM", "regions of one country code are distinguished"
    assert not Rules(countries=frozenset({"US"})).allows_number("+18765551234")
    assert phones.country("+88213300655") == phones.country("nonsense") == ""
    assert Rules().allows_number("+88213300655"), "no list, no rule"
    assert not Rules(countries=frozenset({"US"})).allows_number("+88213300655")


def test_message_cost_is_estimated() -> None:
    parsed_rules = Rules(prices=rules.parse_prices("US: 0.0083\nde: 0.1\n\nother: 0.25"))
    assert parsed_rules.cost("+13175551234", 3) == Decimal("0.0249")
    assert parsed_rules.cost("+4915123456789", 1) == Decimal("0.1")
    assert parsed_rules.cost("+442071234567", 2) == Decimal("0.5")
    assert Rules().cost("+13175551234", 1) == 0


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("US 0.01", "bad_line"),
        ("XX: 0.01", "no_such_country"),
        ("US: much", "bad_amount"),
        ("US: -1", "bad_amount"),
        ("US: nan", "bad_amount"),
        ("US: 0.0000001", "bad_amount"),
        ("US: 1\nUS: 2", "twice"),
        ("US: 1e9", "bad_amount"),
        ("US: 0,01", "bad_amount"),
    ],
)
def test_unreadable_price_is_refused(text: str, code: str) -> None:
    with pytest.raises(Refused) as refused:
        rules.parse_prices(text)
    assert (refused.value.code, refused.value.field) == (code, "prices")


def test_countries_are_read_with_any_separator() -> None:
    assert rules.parse_countries(" us, DE;fr\nGB ") == {"US", "DE", "FR", "GB"}
    assert rules.parse_countries("") == frozenset()
    with pytest.raises(Refused, match="“UK” is not a country"):
        rules.parse_countries("US, UK")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (Rules(per_hour=-1), "per_hour"),
        (Rules(per_hour=10_001), "per_hour"),
        (Rules(per_hour=5, per_day=4), "per_day"),
        (Rules(currency="usd"), "currency"),
        (Rules(spend_day=Decimal(5)), "prices"),
        (Rules(consent=True, consent_days=-1), "consent_days"),
        (
            Rules(spend_day=Decimal(5), spend_month=Decimal(4), prices={"": Decimal("0.1")}),
            "spend_month",
        ),
    ],
)
def test_inconsistent_rules_are_refused(wrong: Rules, field: str) -> None:
    with pytest.raises(Refused) as refused:
        rules.validate_rules(wrong)
    assert refused.value.field == field


def test_rules_are_stored_unchanged() -> None:
    full = Rules(
        consent=True,
        consent_days=365,
        countries=frozenset({"US", "DE"}),
        per_hour=2,
        per_day=5,
        currency="EUR",
        prices={"US": Decimal("0.0083"), "": Decimal("0.1")},
        spend_day=Decimal("5.50"),
        spend_month=Decimal(100),
        quiet=NIGHT,
        quiet_waits=True,
    )
    assert rules.rules_of_connection(full.to_json(), False) == full
    assert rules.rules_of_connection(Rules().to_json(), True) == Rules(), (
        "what was stored counts for more than the channel's usual"
    )
    assert rules.rules_of_connection("", True) == Rules(consent=True)


@given(st.times())
def test_time_of_day_survives_a_round_trip(at: time) -> None:
    assert quiet_hours.parse_time_of_day(at.strftime(" %H:%M ")) == at.strftime("%H:%M")
