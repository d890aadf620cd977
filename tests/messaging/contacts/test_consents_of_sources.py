"""Consents apply to the messages of their own source, for any sequence of decisions."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from hub.db.engine import db
from hub.db.store import transaction
from hub.messaging.contacts import consents, suppressions
from hub.messaging.contacts.consents import ConsentEntry
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.messaging.policy.policy import Policy, PolicyQuestion
from hub.messaging.policy.rules import Rules
from hub.models import (
    Connection,
    Consent,
    Source,
    Suppression,
)
from tests.effort import examples
from tests.hub_fixtures import ERIC, SigningApp, json_of, queue_text, status
from tests.hub_fixtures import connection as connection
from tests.hub_fixtures import signing_app as signing_app
from tests.messaging.contacts.source_steps import apply_to_all, statuses_of_both
from tests.messaging.contacts.source_steps import other_source as other_source

PROOF = {
    "address": ERIC,
    "given": True,
    "channel": "sms",
    "ip": "198.51.100.23",
    "agent": "Firefox",
    "proof": "I agree to messages of Leases.",
}


def test_consent_applies_to_the_source_that_recorded_it(
    signing_app: SigningApp, other_source: SigningApp
) -> None:
    other_source.post("/consents", PROOF)
    consents.record_consent(
        ConsentEntry(ERIC, True, proof="Told Dana."), source=consents.BY_ADMIN, test=True
    )
    assert json_of(signing_app.get("/consents", address=ERIC)) == {"consents": [], "next": None}
    [consent] = json_of(other_source.get("/consents", address=ERIC))["consents"]
    assert {name: consent[name] for name in PROOF} == PROOF


def test_refusal_of_one_source_stops_only_that_source(
    signing_app: SigningApp, other_source: SigningApp
) -> None:
    other_source.post("/consents", {"address": ERIC, "given": False})
    assert statuses_of_both(signing_app, other_source) == ["queued", "suppressed"]
    assert status(queue_text()) == "suppressed", "an admin's message heeds every no"
    other_source.post("/consents", {"address": ERIC, "given": True})
    assert statuses_of_both(signing_app, other_source) == ["queued", "queued"]
    consents.record_consent(ConsentEntry(ERIC, False), source=consents.BY_ADMIN, test=True)
    assert statuses_of_both(signing_app, other_source) == ["suppressed", "suppressed"]


def test_consent_of_a_key_lifts_no_refusal_by_an_admin(
    signing_app: SigningApp, other_source: SigningApp
) -> None:
    consents.record_consent(ConsentEntry(ERIC, False), source=consents.BY_ADMIN, test=True)
    for app in (signing_app, other_source):
        assert app.post("/consents", {"address": ERIC, "given": True}).status_code == 201
    assert statuses_of_both(signing_app, other_source) == ["suppressed", "suppressed"]
    consents.record_consent(ConsentEntry(ERIC, True), source=consents.BY_ADMIN, test=True)
    assert statuses_of_both(signing_app, other_source) == ["queued", "queued"]


def test_consent_of_a_key_lifts_no_refusal_of_another_source(
    signing_app: SigningApp, other_source: SigningApp
) -> None:
    apply_to_all("default")
    signing_app.post("/consents", {"address": ERIC, "given": False})
    other_source.post("/consents", {"address": ERIC, "given": True})
    assert statuses_of_both(signing_app, other_source) == ["suppressed", "suppressed"]
    signing_app.post("/consents", {"address": ERIC, "given": True})
    assert statuses_of_both(signing_app, other_source) == ["queued", "queued"]


SCOPES = (None, "default", "leases", "rents")


def expected_decisions(
    decisions: list[tuple[str | None, bool]], holding: set[str | None]
) -> list[bool]:
    """Return the last decision of each recorder that applies to a source.

    An opt-in by an admin ends any earlier objection.
    """
    last: dict[str | None, bool] = {}
    for scope, is_given in decisions:
        if scope is None and is_given:
            last = dict.fromkeys(last, True)
        if scope is None or scope in holding:
            last[scope] = is_given
    return list(last.values())


WORDS = st.lists(st.tuples(st.sampled_from(SCOPES), st.booleans()), max_size=6)


@given(decisions=WORDS, shared=st.sets(st.sampled_from(SCOPES[1:])), asks=st.booleans())
@hypothesis_settings(
    max_examples=examples(60),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_newest_decision_of_each_recorder_counts_and_only_admins_override(
    connection: Connection, decisions: list[tuple[str | None, bool]], shared: set[str], asks: bool
) -> None:
    ids = reset_people(decisions, shared)
    asking = replace(connection.info, test=True, rules=Rules(consent=asks).to_json())
    contact = get_or_create_contact("phone", ERIC, test=True)
    for slug in SCOPES[1:]:
        counts = expected_decisions(decisions, {slug, *shared})
        question = PolicyQuestion(contact, source_id=ids[slug])
        code = Policy(asking, [question]).decide(question).code
        expected = "consent_missing" if asks and not counts else ""
        if not all(counts):
            expected = "consent_no"
        assert code == expected, (slug, decisions, shared)
    db.session.expire_all()


@given(opted_out=st.sets(st.sampled_from(SCOPES)), shared=st.sets(st.sampled_from(SCOPES[1:])))
@hypothesis_settings(
    max_examples=examples(40),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_opt_out_stops_exactly_its_sources(
    connection: Connection, opted_out: set[str | None], shared: set[str]
) -> None:
    ids = reset_people([], shared)
    for scope in opted_out:
        suppressions.add_opt_out(ERIC, test=True, source_id=ids[scope] if scope else None)
    contact = get_or_create_contact("phone", ERIC, test=True)
    questions = {slug: PolicyQuestion(contact, source_id=ids[slug]) for slug in SCOPES[1:]}
    policy = Policy(connection.info, list(questions.values()))
    for slug, question in questions.items():
        stops = bool({None, slug} & opted_out or opted_out & shared)
        assert bool(policy.decide(question).code) is stops, (slug, opted_out, shared)
        assert bool(suppressions.blocks_of_address(ERIC, test=True, source_id=ids[slug])) is stops
    db.session.rollback()


@transaction
def reset_people(decisions: list[tuple[str | None, bool]], shared: set[str]) -> dict[str, str]:
    """Create three sources, some of which apply to all, and record a person's decisions."""
    for model in (Consent, Suppression):
        db.session.execute(delete(model))
    for slug in SCOPES[2:]:
        if db.session.scalar(select(Source.id).where(Source.slug == slug)) is None:
            db.session.add(Source(slug=slug, name=slug))
    db.session.flush()
    ids = {source.slug: source.id for source in db.session.scalars(select(Source))}
    for source_row in db.session.scalars(select(Source)):
        source_row.applies_to_all = source_row.slug in shared
    for scope, given_ in decisions:
        source_id = ids[scope] if scope else None
        consents.record_consent(
            ConsentEntry(ERIC, given_), source="api", test=True, source_id=source_id
        )
    return ids
