"""May this go, now?

Consents, countries, caps, spending and quiet hours: asked when a message is planned, and again
before it is sent.
"""

from __future__ import annotations

import threading
from datetime import timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from sqlalchemy import func, select

from hub.connections import rules as changing
from hub.core.errors import Refused, TransientError, Unreachable
from hub.core.vocabulary import Address, Status
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.integrations.base import Accepted, Price, StatusUpdate
from hub.lib.shutdown import ShutdownSignal
from hub.messaging.compose import cancellation, outbox, resend
from hub.messaging.contacts import consents
from hub.messaging.contacts.consents import ConsentEntry
from hub.messaging.contacts.contacts import contact_for
from hub.messaging.inbox import opt_out
from hub.messaging.policy import policy as policies
from hub.messaging.policy import session_windows, spending
from hub.messaging.policy.quiet_hours import QuietHours
from hub.messaging.policy.rules import Rules
from hub.messaging.send import calls, claims
from hub.messaging.send.calls import Outcome
from hub.messaging.send.dispatcher import Dispatcher
from hub.messaging.track import price_polling, statuses
from hub.messaging.track.statuses import Origin
from hub.models import Attempt, Audit, Connection, Message, Usage
from tests.hub_fixtures import (
    ANNA,
    ERIC,
    SigningApp,
    a_message,
    a_signer,
    an_event,
    at_provider,
    change,
    deliver,
    eventually,
    free,
    make_due,
    message,
    settle_receipts,
    source_id,
    status,
    words,
)
from tests.messaging.test_whatsapp import TEMPLATE, came_in
from tests.messaging.test_whatsapp import whatsapp as whatsapp

CHEAP = {"US": Decimal("0.01"), "": Decimal("0.5")}


def posted(to: str = ERIC, text: str = "Your contract is ready.", **more: Any) -> str:
    """Queue a message as a signing app posts it."""
    return a_message(to, text, source_id=source_id(), **more)


def rule(connection: Connection, **what: Any) -> None:
    changing.save(connection.id, Rules(**what))
    db.session.rollback()


def code(message_id: str) -> tuple[str, str]:
    row = message(message_id)
    return row.status, row.code


def templated(connection: Connection, to: str = ERIC) -> str:
    """Queue a message of an event over WhatsApp that has an approved template."""
    contact = contact_for(Address.PHONE, to, test=True)
    return outbox.add(
        outbox.Draft(connection=connection, contact=contact, text="Please sign.", template=TEMPLATE)
    ).id


def claim(connection: Connection, threads: int = 64) -> list[calls.Claim]:
    return claims.record_and_claim([], {connection.id: threads})


def say(given: bool, channel: str = "whatsapp", **more: Any) -> None:
    consents.record_consent(ConsentEntry(ERIC, given, channel, **more), source="api", test=True)


# ── Consent ───────────────────────────────────────────────────────────────────────────────────────
def test_where_consent_is_asked_for_nothing_goes_without_one(whatsapp: Connection) -> None:
    rule(whatsapp, consent=True)
    assert code(templated(whatsapp)) == ("suppressed", "consent_missing")
    say(True, "sms")
    assert code(templated(whatsapp)) == (
        "suppressed",
        "consent_missing",
    ), "a yes to texts is none to WhatsApp"
    say(True)
    found = templated(whatsapp)
    assert code(found) == ("queued", "")
    assert message(found).consent_id is not None, "the message names the yes that it rests upon"
    assert [one.message_id for one in claim(whatsapp)] == [found]


def test_a_no_is_heeded_whether_or_not_consent_is_asked_for_and_right_before_sending_too(
    connection: Connection,
) -> None:
    waits = posted()
    say(False, "")
    assert code(posted()) == ("suppressed", "consent_no")
    assert claim(connection) == []
    assert code(waits) == ("suppressed", "consent_no")
    say(True, "sms")
    assert code(posted()) == ("queued", ""), "what was said last counts"


def test_a_yes_grows_old_where_the_rules_say_so(whatsapp: Connection) -> None:
    rule(whatsapp, consent=True, consent_days=30)
    say(True, at=now() - timedelta(days=31))
    assert code(templated(whatsapp)) == ("suppressed", "consent_old")
    say(True, at=now() - timedelta(days=29))
    assert code(templated(whatsapp)) == ("queued", "")


def test_words_about_other_purposes_are_no_words_about_signing(
    whatsapp: Connection, connection: Connection
) -> None:
    rule(whatsapp, consent=True)
    say(True, purpose="marketing")
    assert code(templated(whatsapp)) == ("suppressed", "consent_missing")
    say(False, "sms", purpose="marketing")
    assert code(posted()) == ("queued", "")
    say(True, purpose="signing")
    assert code(templated(whatsapp)) == ("queued", "")


def test_who_wrote_to_us_is_answered_without_a_consent(
    hub_demo: Flask, whatsapp: Connection
) -> None:
    rule(whatsapp, consent=True)
    came_in(hub_demo)
    settle_receipts()
    found = posted(channel="whatsapp")
    assert code(found) == ("queued", "")
    assert len(claim(whatsapp)) == 1


def test_a_stop_holds_for_the_sender_it_was_written_to_and_leaves_others_alone(
    hub_demo: Flask, connection: Connection
) -> None:
    came_in(hub_demo, "STOP", channel="")
    settle_receipts()
    assert code(posted()) == ("suppressed", "keyword")
    contact = contact_for(Address.PHONE, ERIC, test=True)
    asked = policies.Policy(
        _Other(connection), [policies.PolicyQuestion(contact.id, ERIC, contact.address_key)]
    )
    assert asked.decide(policies.PolicyQuestion(contact.id, ERIC, contact.address_key)).code == ""


class _Other:
    """The same connection with another number to send from."""

    def __init__(self, connection: Connection) -> None:
        self.id = connection.id
        self.channel = connection.channel
        self.integration = connection.integration
        self.sender = "+15005550099"
        self.test = connection.test
        self.rules = connection.rules


def test_a_start_undoes_no_recorded_no_and_makes_no_consent(
    hub_demo: Flask, whatsapp: Connection
) -> None:
    rule(whatsapp, consent=True)
    for n, word in enumerate(("STOP", "START")):
        came_in(hub_demo, word, sid=f"SM{n:032x}")
        settle_receipts()
    session_windows.closed_windows(
        db.session.get_one(Connection, whatsapp.id).sender,
        contact_for(Address.PHONE, ERIC, test=True).id,
    )
    assert code(templated(whatsapp)) == ("suppressed", "consent_missing")
    consents.record_consent(ConsentEntry(ERIC, False), source="admin", test=True)
    for n, word in enumerate(("STOP", "START")):
        came_in(hub_demo, word, sid=f"SM{n + 7:032x}")
        settle_receipts()
    assert code(templated(whatsapp)) == ("suppressed", "consent_no")


def test_whatsapp_asks_for_consent_by_itself_and_texts_do_not(
    whatsapp: Connection, connection: Connection
) -> None:
    class Fresh(_Other):
        def __init__(self, one: Connection) -> None:
            super().__init__(one)
            self.rules = ""

    assert policies.rules_of(Fresh(whatsapp)).consent
    assert not policies.rules_of(Fresh(connection)).consent


# ── Countries ─────────────────────────────────────────────────────────────────────────────────────
def test_an_unlisted_country_is_refused_when_planned_and_before_sending(
    connection: Connection,
) -> None:
    early = posted(ANNA)
    rule(connection, countries=frozenset({"US"}))
    assert code(posted(ANNA)) == ("suppressed", "country_not_allowed")
    assert code(posted(ERIC)) == ("queued", "")
    assert [one.outbound.to for one in claim(connection)] == [ERIC]
    assert code(early) == (
        "suppressed",
        "country_not_allowed",
    ), "the rule is younger than the message"


def test_the_answer_to_an_event_names_the_rule(
    signing_app: SigningApp, connection: Connection
) -> None:
    rule(connection, countries=frozenset({"US"}))
    answer = signing_app.post(
        "/events", an_event(signers=[a_signer("Eric"), a_signer("Anna", ANNA)])
    )
    assert answer.status_code == 202
    told = {
        one["to"]: (one["status"], one["code"])
        for one in answer.json["messages"]
        if one["channel"] == "sms"
    }
    assert told == {ERIC: ("queued", None), ANNA: ("suppressed", "country_not_allowed")}


# ── Caps ──────────────────────────────────────────────────────────────────────────────────────────
def test_a_recipient_gets_no_more_than_the_hour_allows(
    connection: Connection, simulator: Any
) -> None:
    rule(connection, per_hour=2)
    ids = [posted(text=f"{n}") for n in range(4)]
    assert [code(one) for one in ids] == [
        ("queued", ""),
        ("queued", ""),
        ("suppressed", "cap_hour"),
        ("suppressed", "cap_hour"),
    ]
    assert code(posted(ANNA)) == ("queued", ""), "others are not concerned"
    deliver()
    assert code(posted()) == ("suppressed", "cap_hour")
    _long_ago(ids[0], timedelta(minutes=61))
    assert code(posted()) == ("queued", "")


def test_a_day_has_a_cap_of_its_own(connection: Connection, simulator: Any) -> None:
    rule(connection, per_hour=2, per_day=3)
    first = [posted(text=f"{n}") for n in range(2)]
    deliver()
    for one in first:
        _long_ago(one, timedelta(hours=2))
    assert [code(posted(text=f"later {n}"))[1] for n in range(2)] == ["", "cap_day"]


def test_what_did_not_reach_anybody_does_not_count(connection: Connection, simulator: Any) -> None:
    rule(connection, per_hour=1)
    found = posted("+15005550009")  # no mobile number: refused by the provider
    deliver()
    assert status(found) == "failed"
    db.session.rollback()
    contact = contact_for(Address.PHONE, "+15005550009", test=True)
    one = policies.PolicyQuestion(contact.id, contact.address, b"other")
    assert (
        policies.Policy(db.session.get_one(Connection, connection.id), [one]).decide(one).code == ""
    )


@transaction
def _long_ago(message_id: str, how_long: timedelta) -> None:
    for one in db.session.scalars(select(Attempt).where(Attempt.message_id == message_id)):
        one.started_at -= how_long


def test_what_takes_over_from_a_message_is_not_counted_with_it(whatsapp: Connection) -> None:
    rule(whatsapp, per_hour=1)
    first = templated(whatsapp)
    [one] = claim(whatsapp)
    claims.record_and_claim([Outcome(one, Accepted("SM" + "1" * 32), None, now(), 5, 201)], {})
    change(first, status="failed", due_at=None)
    assert code(resend.resend(first).id) == ("queued", "")


def test_help_is_answered_a_few_times_and_never_in_a_country_that_is_not_allowed(
    hub_demo: Flask, whatsapp: Connection
) -> None:
    for n in range(6):
        came_in(hub_demo, "HELP", sid=f"SM{n:032x}")
        settle_receipts()
    db.session.rollback()
    assert (
        db.session.scalar(
            select(func.count()).select_from(Message).where(Message.status == "queued")
        )
        == opt_out.MOST_HELP
    )
    rule(whatsapp, countries=frozenset({"DE"}), prices=CHEAP)
    assert claim(whatsapp) == []
    assert spending.spending_of(whatsapp.id, now()).day == 0


@pytest.mark.parametrize("what", ["per_hour", "spend_day"])
def test_a_race_of_64_senders_never_passes_a_limit(
    hub_demo: Flask, connection: Connection, simulator: Any, what: str
) -> None:
    for n in range(200):
        posted(text=f"text {n}")
    limit: dict[str, Any] = (
        {"per_hour": 17} if what == "per_hour" else {"spend_day": Decimal("0.17"), "prices": CHEAP}
    )
    rule(connection, **limit)

    def work() -> None:
        with hub_demo.app_context():
            Dispatcher(ShutdownSignal(20)).run(linger=0.3)

    # each with as many as 64 calls at once
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(at_provider(simulator)) == 17
    db.session.rollback()
    refused = db.session.scalar(
        select(func.count()).select_from(Message).where(Message.status == "suppressed")
    )
    assert refused == 183


# ── Spending ──────────────────────────────────────────────────────────────────────────────────────
def test_a_day_may_cost_no_more_than_its_limit(connection: Connection) -> None:
    rule(connection, prices=CHEAP, spend_day=Decimal("0.03"))
    long_one = posted(text="a" * 200)  # two segments
    assert [one.message_id for one in claim(connection)] == [long_one]
    assert message(long_one).estimate == Decimal("0.02")
    assert code(posted(text="b" * 200)) == ("suppressed", "spend_day")
    assert code(posted(ANNA)) == (
        "suppressed",
        "spend_day",
    ), "a country without a price of its own costs what others do"
    assert code(posted(text="b")) == ("queued", "")
    assert len(claim(connection)) == 1
    assert code(posted(text="c")) == ("suppressed", "spend_day")
    usage = db.session.scalars(select(Usage)).one()
    assert (usage.messages, usage.segments, usage.estimate) == (2, 3, Decimal("0.03"))


def test_a_month_counts_its_days(connection: Connection) -> None:
    rule(connection, prices=CHEAP, spend_month=Decimal("0.02"))
    assert spending.spending_of(connection.id, now()) == spending.Spending()
    posted()
    claim(connection)
    posted(text="again")
    claim(connection)
    assert code(posted(text="third")) == ("suppressed", "spend_month")


def test_admins_are_told_once_when_most_of_it_is_spent(connection: Connection) -> None:
    rule(connection, prices=CHEAP, spend_day=Decimal("0.10"))
    for n in range(9):
        posted(text=f"{n}")
        claim(connection)
    db.session.rollback()
    told = db.session.scalars(select(Audit).where(Audit.action == "connection.spending")).all()
    assert [(one.detail["share"], one.detail["limit"]) for one in told] == [("80%", "day")]


def test_a_day_near_its_limit_is_told_though_the_month_was_near_before(
    connection: Connection,
) -> None:
    rule(connection, prices=CHEAP, spend_day=Decimal("0.10"), spend_month=Decimal("0.10"))
    for n in range(8):
        posted(text=f"{n}")
        claim(connection)
    db.session.rollback()
    told = db.session.scalars(select(Audit).where(Audit.action == "connection.spending")).all()
    assert sorted(one.detail["limit"] for one in told) == ["day", "month"]


def test_the_providers_price_takes_the_place_of_the_estimate(connection: Connection) -> None:
    rule(connection, prices=CHEAP, spend_day=Decimal(1))
    posted()
    [one] = claim(connection)
    claims.record_and_claim([Outcome(one, Accepted("SM" + "1" * 32), None, now(), 5, 201)], {})
    update = StatusUpdate(
        provider_id="SM" + "1" * 32,
        status=Status.DELIVERED,
        word="delivered",
        price=Price(Decimal("0.0075"), "USD"),
    )
    for _ in range(2):
        assert statuses.apply_status(update, Origin("poll", [connection.id]))
    assert spending.spending_of(connection.id, now()).day == Decimal("0.0075")
    assert db.session.scalars(select(Usage)).one().price == Decimal("0.0075")


def test_a_price_in_another_currency_corrects_nothing(connection: Connection) -> None:
    rule(connection, prices=CHEAP, spend_day=Decimal(1))
    posted()
    [one] = claim(connection)
    claims.record_and_claim(
        [
            Outcome(
                one,
                Accepted("SM" + "1" * 32, price=Price(Decimal("7"), "JPY")),
                None,
                now(),
                5,
                201,
            )
        ],
        {},
    )
    assert spending.spending_of(connection.id, now()).day == Decimal("0.01")
    assert message(one.message_id).price == 7


def test_what_the_provider_refused_costs_nothing(connection: Connection, simulator: Any) -> None:
    rule(connection, prices=CHEAP, spend_day=Decimal("0.01"))
    found = posted("+15005550009")  # no mobile number
    deliver()
    assert status(found) == "failed"
    assert spending.spending_of(connection.id, now()).day == 0
    assert code(posted()) == ("queued", "")


@pytest.mark.parametrize("how", ["expired", "canceled", "stopped", "failed"])
def test_what_is_not_sent_after_all_costs_nothing(connection: Connection, how: str) -> None:
    rule(connection, prices=CHEAP, spend_day=Decimal("0.01"))
    found = posted()
    [one] = claim(connection)
    assert spending.spending_of(connection.id, now()).day == Decimal("0.01")
    if how == "failed":  # Twilio took it, and did not send it
        claims.record_and_claim([Outcome(one, Accepted("SM" + "1" * 32), None, now(), 5, 201)], {})
        statuses.apply_status(
            StatusUpdate(provider_id="SM" + "1" * 32, status=Status.FAILED, word="failed"),
            Origin("callback", [connection.id]),
        )
    else:
        claims.record_and_claim(
            [Outcome(one, None, Unreachable("Away.", "unreachable"), now(), 5)], {}
        )
        db.session.rollback()
        if how == "canceled":
            cancellation.cancel(found)
        elif how == "stopped":
            cancellation.stop_contact(message(found).contact_id, "Asked.")
        else:
            change(
                found, expires_at=now() - timedelta(seconds=1), due_at=now() - timedelta(seconds=1)
            )
            free(db.session.get_one(Connection, connection.id))
            assert claim(connection) == []
    assert message(found).status in ("expired", "canceled", "failed")
    assert spending.spending_of(connection.id, now()).day == 0
    assert code(posted()) == ("queued", "")


def test_prices_are_asked_for_once_a_message_has_arrived(
    served: Flask, connection: Connection, simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule(connection, prices={"": Decimal("0.5")}, spend_day=Decimal(5))
    found = posted()
    deliver()
    eventually(lambda: settle_receipts() >= 0 and status(found) == "delivered", 10)
    monkeypatch.setattr(price_polling, "SETTLED", timedelta(seconds=-5))
    eventually(lambda: price_polling.poll_prices() == 1 and message(found).price is not None, 10)
    assert spending.spending_of(connection.id, now()).day == message(found).price
    assert price_polling.poll_prices() == 0, "each is asked for until its price is known"


def test_a_correction_that_comes_near_a_limit_is_told(connection: Connection) -> None:
    rule(connection, prices=CHEAP, spend_day=Decimal("0.10"))
    posted()
    [one] = claim(connection)
    claims.record_and_claim(
        [
            Outcome(
                one,
                Accepted("SM" + "1" * 32, price=Price(Decimal("0.085"), "USD")),
                None,
                now(),
                5,
                201,
            )
        ],
        {},
    )
    db.session.rollback()
    assert [
        row.detail["share"]
        for row in db.session.scalars(select(Audit).where(Audit.action == "connection.spending"))
    ] == ["85%"]


def test_of_many_posted_at_once_no_more_is_planned_than_may_be_spent(
    signing_app: SigningApp, connection: Connection
) -> None:
    rule(connection, prices=CHEAP, spend_day=Decimal("0.02"))
    numbers = [f"+1317555{n:04d}" for n in range(4)]
    answer = signing_app.post(
        "/events", an_event(signers=[a_signer(f"S{n}", number) for n, number in enumerate(numbers)])
    )
    assert sorted(
        one["code"] or "" for one in answer.json["messages"] if one["channel"] == "sms"
    ) == ["", "", "spend_day", "spend_day"]


def test_a_price_list_in_another_currency_waits_for_the_next_month(connection: Connection) -> None:
    rule(connection, prices=CHEAP)
    posted()
    claim(connection)
    with pytest.raises(Refused) as refused:
        rule(connection, prices=CHEAP, currency="EUR")
    assert refused.value.field == "currency"


def test_a_message_that_is_tried_again_is_paid_for_once(
    connection: Connection, simulator: Any
) -> None:
    rule(connection, prices=CHEAP, spend_day=Decimal("0.01"))
    found = posted()
    for _ in range(2):
        [one] = claim(connection)
        claims.record_and_claim(
            [Outcome(one, None, TransientError("Try again.", "30008"), now(), 5, 503)], {}
        )
        make_due(found)
    assert len(claim(connection)) == 1
    assert message(found).tries == 3
    assert spending.spending_of(connection.id, now()).day == Decimal("0.01")


# ── Quiet hours ───────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def night() -> QuietHours:
    """Give quiet hours that hold now in New York, and until an hour from now."""
    here = now().astimezone(ZoneInfo("America/New_York"))
    return QuietHours(f"{here - timedelta(hours=1):%H:%M}", f"{here + timedelta(hours=1):%H:%M}")


def test_what_comes_at_night_waits_for_the_morning(
    connection: Connection, night: QuietHours
) -> None:
    rule(connection, quiet=night)
    found = posted()
    assert code(found) == ("queued", "quiet_hours")
    assert words(found) == ["quiet hours"], "its page says what it waits for"
    due_at = message(found).due_at
    assert due_at is not None
    assert timedelta(minutes=55) < due_at - now() <= timedelta(hours=1)
    assert claim(connection) == []
    assert code(posted("+81312345678")) == ("queued", ""), "in Tokyo it is another time"


def test_a_night_that_begins_while_a_message_waits_holds_it_too(
    connection: Connection, night: QuietHours
) -> None:
    found = posted()
    rule(connection, quiet=night)
    assert claim(connection) == []
    assert code(found) == ("queued", "quiet_hours")
    assert words(found) == ["quiet hours"]
    change(found, due_at=now() - timedelta(seconds=1))
    assert claim(connection) == []
    assert words(found) == ["quiet hours"], "it is said once"
    rule(connection, quiet=night, per_day=9)
    assert claims.is_due() == [], "what waits goes on waiting"
    rule(connection)
    assert len(claim(connection)) == 1, "hours that are lifted hold nothing back any more"


@pytest.mark.parametrize(
    ("waits", "becomes"), [(False, ("queued", "")), (True, ("suppressed", "quiet_hours"))]
)
def test_what_would_expire_first_goes_unless_the_rules_say_otherwise(
    connection: Connection, night: QuietHours, waits: bool, becomes: tuple[str, str]
) -> None:
    rule(connection, quiet=night, quiet_waits=waits)
    contact = contact_for(Address.PHONE, ERIC, test=True)
    soon = now() + timedelta(minutes=30)
    assert (
        code(
            outbox.add(
                outbox.Draft(connection=connection, contact=contact, text="Sign.", expires_at=soon)
            ).id
        )
        == becomes
    )


def test_the_zone_that_was_given_counts_for_more_than_the_number(
    connection: Connection, night: QuietHours
) -> None:
    rule(connection, quiet=night)
    contact_for(Address.PHONE, ERIC, test=True, time_zone="Asia/Tokyo")
    found = posted()
    assert code(found) == ("queued", "")
    assert [one.message_id for one in claim(connection)] == [found]


def test_what_somebody_sends_by_hand_goes_at_once(
    connection: Connection, night: QuietHours
) -> None:
    rule(connection, quiet=night, consent=True)
    found = a_message()
    assert code(found) == ("queued", "")
    assert [one.message_id for one in claim(connection)] == [found]
    say(False, "")
    assert code(a_message()) == ("suppressed", "consent_no"), "a no holds for everybody"
