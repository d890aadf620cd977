"""Stories of requests over HTTP, from the first event to what people read."""

from __future__ import annotations

from typing import Any

import pytest

from tests.hub_fixtures import ANNA, ERIC, signer_body
from tests.signing.story_steps import Story

RAVI = "+919876543210"
ASKED = 'You\'ve been sent "Lease" by Acme HR. Please review & sign: https://sign.example/r/{}'


def mail_to(name: str) -> str:
    return f"{name.lower()}@example.com"


def signer(name: str, number: str = ERIC, **fields: Any) -> dict[str, Any]:
    return signer_body(name, number, email=mail_to(name), **fields)


def test_signer_with_both_addresses_named_is_asked_over_both(story: Story) -> None:
    both = {"mobile_number": True, "email": True}
    answer = story.post("sent", signers=[signer("Eric", send_to=both)])
    assert [item["channel"] for item in answer["messages"]] == ["sms", "email"]
    story.deliver()
    assert story.texts(ERIC) == [ASKED.format("eric")]
    assert story.emails("eric@example.com") == ['Acme HR sent you "Lease" to sign']


def test_signers_are_asked_one_after_the_other(story: Story) -> None:
    people = [
        signer("Eric", order=1),
        signer("Anna", ANNA, order=2),
        signer("Ravi", RAVI, order=3),
    ]
    story.post("sent", signers=people)
    story.deliver()
    assert [len(story.texts(number)) for number in (ERIC, ANNA, RAVI)] == [1, 0, 0]
    story.post("signed", signer="eric")
    story.deliver()
    assert story.texts(ANNA) == [ASKED.format("anna")]
    assert story.texts(RAVI) == []
    story.post("reminder")
    story.deliver()
    assert story.texts(ANNA)[-1].startswith("Reminder: ")
    assert story.texts(RAVI) == []
    story.post("signed", signer="anna")
    story.deliver()
    assert story.texts(RAVI)[0] == ASKED.format("ravi")
    assert story.states() == {"eric": "signed", "anna": "signed", "ravi": "pending"}


@pytest.mark.parametrize("ending", ["declined", "expired", "canceled"])
def test_request_that_is_sent_again_asks_again(story: Story, ending: str) -> None:
    story.post("sent", signers=[signer("Eric"), signer("Anna", ANNA)])
    story.post("signed", signer="eric")
    story.deliver()
    story.post(ending, **({"signer": "anna"} if ending == "declined" else {}))
    assert story.read()["state"] == ending
    story.deliver()
    before = len(story.texts(ERIC))
    story.post("sent", id="second round")
    story.deliver()
    assert story.read()["state"] == "open"
    assert sum(text.startswith(ASKED.partition("https")[0]) for text in story.texts(ANNA)) == 2
    assert story.texts(ANNA)[-1] == ASKED.format("anna")
    assert len(story.texts(ERIC)) == before, "Eric has signed"
    story.post("signed", signer="anna")
    story.post("completed")
    assert story.read()["state"] == "completed"


# ── What each event says, and to whom ─────────────────────────────────────────────────────────────
SIGNED = 'Anna has signed "Lease". One more signature is needed to complete the document.'
COMPLETED = (
    '"Lease" has been accepted by all parties. Download your document here:'
    " https://sign.example/d/1"
)
CANCELED = 'Acme HR has canceled "Lease". No signature is needed anymore.'
# event → its fields, and the last text of Eric, who has signed, Anna, who signs now, and Ravi
EVENTS: dict[str, tuple[dict[str, Any], tuple[str | None, str | None, str | None]]] = {
    "viewed": ({"signer": "anna"}, (None, None, None)),
    "reminder": (
        {},
        (
            None,
            'Reminder: "Lease" is waiting for your signature: https://sign.example/r/anna',
            'Reminder: "Lease" is waiting for your signature: https://sign.example/r/ravi',
        ),
    ),
    "signed": (
        {"signer": "anna"},
        (SIGNED, 'Your signature on "Lease" has been recorded.', SIGNED),
    ),
    "declined": (
        {"signer": "anna"},
        ('Anna has declined to sign "Lease". The document will not be completed.', None, None),
    ),
    "completed": (
        {"download_url": "https://sign.example/d/1"},
        (COMPLETED, COMPLETED, COMPLETED),
    ),
    "expired": ({}, ('"Lease" has expired before everyone signed it.', None, None)),
    "canceled": ({}, (CANCELED, CANCELED, CANCELED)),
}
SUBJECTS = {
    "signed": 'Anna signed "Lease"',
    "declined": 'Anna declined to sign "Lease"',
    "completed": '"Lease" is complete',
    "expired": '"Lease" has expired',
}


@pytest.mark.parametrize("kind", EVENTS)
def test_event_reaches_its_people_with_its_words(story: Story, kind: str) -> None:
    people = [signer("Eric"), signer("Anna", ANNA), signer("Ravi", RAVI)]
    observers = [{"id": "legal", "name": "Legal", "email": "legal@acme.example"}]
    story.post("sent", signers=people, observers=observers)
    story.post("signed", signer="eric")
    story.deliver()
    before = {number: len(story.texts(number)) for number in (ERIC, ANNA, RAVI)}
    read_before = len(story.emails("hr@acme.example"))
    fields, expected = EVENTS[kind]
    story.post(kind, **fields)
    story.deliver()
    for number, text in zip((ERIC, ANNA, RAVI), expected, strict=True):
        assert story.texts(number)[before[number] :] == ([text] if text else []), number
    assert story.emails("hr@acme.example")[read_before:] == (
        [SUBJECTS[kind]] if kind in SUBJECTS else []
    )
    assert bool(story.emails("legal@acme.example")) == (kind == "completed")
