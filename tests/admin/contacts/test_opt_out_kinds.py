"""Pages distinguish people who opted out from addresses that cannot be reached."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from hub import integrations
from hub.admin.contacts import opt_out_descriptions
from hub.core.errors import RecipientRefused
from hub.core.vocabulary import Channel
from hub.db.engine import db
from hub.db.store import transaction
from hub.integrations.base import ErrorTable
from hub.messaging.contacts import suppressions
from hub.messaging.policy import opt_out_kinds
from hub.messaging.policy.opt_out_kinds import OptOutKind
from hub.models import Message, Suppression
from tests.admin.contacts.test_opted_out_people import panel, request_path, run_in_app, words
from tests.conftest import Browser

__all__ = ["request_path", "run_in_app"]


class Refusal(NamedTuple):
    """A code of a provider for which an address is suppressed."""

    integration: str
    channel: str
    code: str
    text: str


def refusals() -> Iterator[Refusal]:
    for integration in integrations.registry().values():
        assert isinstance(integration.errors, ErrorTable)
        for code, entry in integration.errors.codes.items():
            if issubclass(entry.error, RecipientRefused):
                yield Refusal(integration.name, integration.channel, str(code), entry.text)


REFUSALS = list(refusals())
# in the words of providers: a person's own decision
DECISIONS = ("replied STOP", "blocked", "takes legal action", "do-not-call")


def kind_of(refusal: Refusal, *, is_known: bool = True) -> OptOutKind:
    integration = refusal.integration if is_known else ""
    return opt_out_kinds.kind_of("provider", refusal.code, refusal.channel, integration)


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda item: f"{item.integration} {item.code}")
@pytest.mark.parametrize("is_known", [True, False])
def test_only_decisions_of_a_person_are_shown_as_such(refusal: Refusal, is_known: bool) -> None:
    kind = kind_of(refusal, is_known=is_known)
    is_decision = any(word in refusal.text for word in DECISIONS)
    assert (kind != OptOutKind.UNREACHABLE) == is_decision, refusal.text
    can_stop = bool(integrations.get(refusal.integration).stop_codes)  # calls have no replies
    assert (kind == OptOutKind.OPTED_OUT) == (can_stop and "replied STOP" in refusal.text)
    label = opt_out_descriptions.badge_label(kind, refusal.channel)
    assert (label == "Opted out") == (kind == OptOutKind.OPTED_OUT)


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda item: f"{item.integration} {item.code}")
def test_each_refusal_says_what_happened_and_how_to_fix_it(refusal: Refusal) -> None:
    problem = opt_out_descriptions.explain(
        "provider", refusal.code, refusal.channel, refusal.integration, kind_of(refusal)
    )
    assert problem.text == refusal.text
    assert problem.remedy


@given(
    reason=st.one_of(st.sampled_from(suppressions.REASONS), st.text(max_size=10)),
    code=st.one_of(st.sampled_from(["", *{item.code for item in REFUSALS}]), st.text(max_size=8)),
    channel=st.sampled_from(["", *Channel]),
    integration=st.sampled_from(["", "removed", *integrations.registry()]),
)
def test_every_suppression_has_a_label_a_reason_and_a_remedy(
    reason: str, code: str, channel: str, integration: str
) -> None:
    kind = opt_out_kinds.kind_of(reason, code, channel, integration)
    problem = opt_out_descriptions.explain(reason, code, channel, integration, kind)
    assert problem.text.endswith(".")
    assert problem.remedy.endswith(".")
    assert opt_out_descriptions.badge_label(kind, channel)
    if reason != "provider":
        assert kind in (OptOutKind.OPTED_OUT, OptOutKind.COMPLAINED)


# ── Pages ─────────────────────────────────────────────────────────────────────────────────────────
@transaction
def suppress_invitation(reason: str, code: str, channel: str) -> None:
    """Suppress the recipient of Eric's invitation, as a report of its provider does."""
    message = db.session.scalars(select(Message).order_by(Message.id)).first()
    assert message is not None
    suppressions.suppress(message.id, reason=reason, code=code)
    db.session.execute(update(Suppression).values(channel=channel))


@pytest.mark.parametrize(
    ("code", "channel", "label"),
    [
        ("63003", "whatsapp", "Not reachable by WhatsApp"),
        ("30006", "sms", "Not reachable by SMS"),
        ("63033", "whatsapp", "Blocked"),
        ("21610", "sms", "Opted out"),
    ],
)
def test_badges_and_remedies_on_pages(
    run_in_app: Any, request_path: str, admin: Browser, code: str, channel: str, label: str
) -> None:
    run_in_app(lambda: suppress_invitation("provider", code, channel))
    problem = integrations.get("twilio_sms").explain(code)
    assert problem is not None
    on_request = panel(admin, request_path, "Eric")
    assert f"Eric {label}" in on_request
    assert f"{problem.text} {problem.remedy} {code}" in on_request
    assert label in words(admin.get("/people").text)
    contact = run_in_app(
        lambda: db.session.scalars(select(Message.contact_id).order_by(Message.id).limit(1)).one()
    )
    on_contact = words(admin.get(f"/contacts/{contact}").text)
    assert f"{problem.text} {problem.remedy} {code}" in on_contact
    assert problem.text in words(admin.get("/opt-outs").text)
    if label != "Opted out":
        for page in (on_request, on_contact):
            assert "Opted out" not in page
