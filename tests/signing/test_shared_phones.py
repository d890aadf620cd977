"""Signers who share a phone: each text says whom it is for, and one STOP counts for all of them."""

from __future__ import annotations

import pytest
from flask import Flask, current_app
from sqlalchemy import select

from hub.core.vocabulary import Channel
from hub.db.engine import db
from hub.messaging.compose import text_editing
from hub.messaging.track import timeline
from hub.models import MessageBody, Template
from tests.hub_fixtures import ANNA, ERIC, OPT_OUT_LINE, deliver, signer_body
from tests.messaging.inbox.opt_out_steps import receive_text
from tests.short_link_steps import with_targets
from tests.signing.ladder_steps import EMAIL_SMS, lose, set_route
from tests.signing.people_steps import FORMER, messages_to, post

pytestmark = pytest.mark.usefixtures("hub_demo")
ASKED = 'You\'ve been sent "Employment Agreement". Please review & sign'
BOTH = [signer_body("Eric"), signer_body("Anna", ERIC)]


def texts_to(person: str, kind: str = "sent") -> list[str]:
    contents = [
        db.session.get_one(MessageBody, row.id).content for row in messages_to(person, kind)
    ]
    return [with_targets(content["text"]).removesuffix(OPT_OUT_LINE) for content in contents]


def publish(text: str) -> None:
    """Publish a text by which signers are asked to sign."""
    query = select(Template).where(
        Template.name == "request_sent", Template.channel == Channel.SMS, Template.locale == "en"
    )
    template = db.session.scalars(query).one()
    text_editing.publish(template.id, template.revision, "", text)
    current_app.extensions.pop("hub.cached", None)


# ── Whom a text is for ────────────────────────────────────────────────────────────────────────────
def test_texts_to_a_shared_phone_say_whom_they_are_for() -> None:
    post(signers=BOTH)
    assert texts_to("eric") == [f"For Eric: {ASKED}: https://sign.example/r/eric"]
    assert texts_to("anna") == [f"For Anna: {ASKED}: https://sign.example/r/anna"]


def test_signer_who_is_added_later_on_the_same_phone_is_named() -> None:
    post(signers=BOTH[:1])
    post(id="again", signers=BOTH)
    assert texts_to("eric") == [f"{ASKED}: https://sign.example/r/eric"]
    assert texts_to("anna") == [f"For Anna: {ASKED}: https://sign.example/r/anna"]


def test_every_text_to_a_shared_phone_names_its_reader() -> None:
    post(signers=BOTH)
    post("reminder")
    post("signed", signer="eric")
    post("completed")
    for kind in ("sent", "reminder", "completed"):
        for name in ("Eric", "Anna"):
            [text] = texts_to(name.lower(), kind)
            assert text.startswith(f"For {name}: ")
    assert texts_to("eric", "signed") == [
        'For Eric: Your signature on "Employment Agreement" has been recorded.'
    ]


@pytest.mark.parametrize(
    "signers",
    [
        [signer_body("Eric"), signer_body("Anna", ANNA)],
        [signer_body("Eric"), signer_body("Anna", None, email="anna@example.com")],
        [signer_body("Eric")],
    ],
    ids=["other phone", "no phone", "alone"],
)
def test_text_to_a_phone_of_its_own_names_nobody(signers: list[dict[str, str]]) -> None:
    post(signers=signers, observers=[{"id": "legal", "name": "Legal", "mobile_number": ERIC}])
    assert texts_to("eric") == [f"{ASKED}: https://sign.example/r/eric"]


def test_signer_who_was_removed_shares_no_phone() -> None:
    post(signers=BOTH)
    post("viewed", signers_removed=["anna"])
    post("reminder")
    assert texts_to("eric", "reminder")[0].startswith("Reminder: ")


def test_two_forms_of_a_number_are_one_phone() -> None:
    """Mexican mobile numbers used to have a 1 after the country code."""
    numbers = ("+525512345678", "+5215512345678")
    post(signers=[signer_body(*person) for person in zip(("Eric", "Anna"), numbers, strict=True)])
    assert texts_to("eric")[0].startswith("For Eric: ")
    assert texts_to("anna")[0].startswith("For Anna: ")


@pytest.mark.parametrize(
    ("locale", "beginning"),
    [
        ("es", "Para Anna: "),
        ("fr", "Pour Anna : "),
        ("de", "Für Anna: "),
        ("pt-BR", "Para Anna: "),
        ("pl", "Do: Anna. "),
        ("sv", "For Anna: "),
    ],
)
def test_reader_is_named_in_the_language_of_the_text(locale: str, beginning: str) -> None:
    post(signers=[BOTH[0], signer_body("Anna", ERIC, locale=locale)])
    assert texts_to("anna")[0].startswith(beginning)
    assert texts_to("eric")[0].startswith("For Eric: ")


def test_edited_text_that_names_its_reader_is_unchanged() -> None:
    publish("((recipient)), please sign ((title)).")
    post(signers=BOTH)
    assert texts_to("anna") == ["Anna, please sign Employment Agreement."]


def test_edited_text_without_a_name_begins_with_it() -> None:
    publish("Please sign ((title)).")
    post(signers=BOTH)
    assert texts_to("anna") == ["For Anna: Please sign Employment Agreement."]


@pytest.mark.parametrize("name", [None, "", " ", "\u200b"])
def test_signer_without_a_name_gets_the_text_alone(name: str | None) -> None:
    post(signers=[BOTH[0], {"id": "anna", "mobile_number": ERIC, "name": name}])
    assert texts_to("anna") == [ASKED]


def test_title_is_shortened_so_that_the_name_fits() -> None:
    publish("Please read everything first. " * 50 + "Then sign ((title))[[: ((link))]]")
    post(signers=BOTH, request={"id": "agr-1001", "title": "Very long title " * 30})
    [text] = texts_to("anna")
    assert text.startswith("For Anna: Please read")
    assert text.endswith("...: https://sign.example/r/anna")
    assert len(text) <= 1600


@pytest.mark.usefixtures("ladder")
def test_next_step_to_a_shared_phone_names_its_reader() -> None:
    set_route(*EMAIL_SMS)
    post(signers=[{**signer, "email": f"{signer['id']}@example.com"} for signer in BOTH])
    lose(messages_to("anna")[0])
    assert [message.channel for message in messages_to("anna")] == ["email", "sms"]
    assert texts_to("anna")[1] == f"For Anna: {ASKED}: https://sign.example/r/anna"


@pytest.mark.parametrize("name", ["Eric", "Anna"])
def test_message_that_follows_to_a_shared_phone_names_its_reader(name: str) -> None:
    former = {"Eric": ERIC, "Anna": ANNA} | {name: FORMER}
    post(signers=[signer_body(*person) for person in former.items()])
    shared = former["Anna" if name == "Eric" else "Eric"]
    for _ in range(2):
        post("viewed", signers=[{"id": name.lower(), "mobile_number": shared}])
    assert texts_to(name.lower()) == [
        f"{ASKED}: https://sign.example/r/{name.lower()}",
        f"For {name}: {ASKED}: https://sign.example/r/{name.lower()}",
    ]


# ── Opt-outs ──────────────────────────────────────────────────────────────────────────────────────
def test_one_stop_ends_the_messages_to_both_and_both_pages_show_it(
    hub_demo: Flask, simulator: Flask
) -> None:
    post(signers=BOTH)
    receive_text(hub_demo, "STOP", "")
    deliver()
    for person in ("eric", "anna"):
        [message] = messages_to(person)
        assert message.status == "suppressed"
        assert "opted out" in " ".join(entry.text for entry in timeline.timeline(message))
