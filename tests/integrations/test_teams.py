"""Microsoft Teams: posted cards, refusals and workflow addresses."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as trying
from hypothesis import strategies as st

from hub.core.errors import (
    PermanentError,
    Unreachable,
)
from hub.core.vocabulary import Status
from hub.integrations.base import Accepted, Button, Card, Outbound
from hub.integrations.shortening import clean_text
from hub.integrations.teams.card import encoded
from hub.integrations.teams.integration import Teams
from hub.integrations.teams.text import cost, escape_text, size
from hub.lib import provider_http
from hub.simulator.teams import markdown
from tests.effort import examples
from tests.integrations.http_recorder import HttpRecorder
from tests.integrations.teams_cards import (
    BUTTONS,
    CARD,
    CREDENTIALS,
    SETTINGS,
    URL,
    WORKFLOW,
    outbound,
    rendered,
)
from tests.integrations.teams_cards import teams as teams

# the test of the contract reads these
SAMPLE_ACCEPTED = (202, "")
SAMPLE_REFUSALS = [
    (401, {"error": {"code": "DirectApiAuthorizationRequired"}}, "url_refused"),
    (404, {"error": {"code": "WorkflowNotFound"}}, "workflow_gone"),
]


TARGET = "/" + URL.split("/", 3)[3]


def card_of(message: Outbound) -> dict[str, Any]:
    card: dict[str, Any] = rendered(message)["attachments"][0]["content"]
    return card


# ── Posting ───────────────────────────────────────────────────────────────────────────────────────
def test_card_shows_the_facts_and_links_to_actions() -> None:
    assert card_of(outbound(card=CARD, buttons=BUTTONS)) == {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": "Employment Agreement",
        "msteams": {"width": "Full"},
        "body": [
            {
                "type": "TextBlock",
                "text": "Employment Agreement",
                "wrap": True,
                "weight": "Bolder",
                "size": "Medium",
            },
            {"type": "TextBlock", "text": "Anna has signed.", "wrap": True},
            {
                "type": "FactSet",
                "facts": [
                    {"title": "Sender", "value": "Acme HR"},
                    {"title": "Waiting for", "value": "Eric"},
                ],
            },
            {
                "type": "TextBlock",
                "text": "Dana reminded Eric.",
                "wrap": True,
                "isSubtle": True,
                "size": "Small",
                "spacing": "Small",
            },
        ],
        "actions": [
            {
                "type": "Action.OpenUrl",
                "title": "Open document",
                "url": "https://sign.example/r/1",
                "style": "positive",
            },
            {"type": "Action.OpenUrl", "title": "Remind signer", "url": "https://hub.example/a/x"},
        ],
    }


@pytest.mark.parametrize("status", [202, 200])
def test_accepted_card_is_sent_and_never_delivered(
    teams: Teams, http_recorder: HttpRecorder, status: int
) -> None:
    http_recorder.answer(status)
    message = outbound(card=CARD, buttons=BUTTONS)
    assert teams.send(message) == Accepted("", Status.SENT)
    assert (http_recorder.paths, http_recorder.bodies) == ([TARGET], [teams.render(message)])


def test_workflow_posts_only_to_its_own_channel(teams: Teams, http_recorder: HttpRecorder) -> None:
    assert (
        Teams.clean_address(f" {WORKFLOW.upper()} ") == WORKFLOW == Teams.destination_of(SETTINGS)
    )
    for address in ("", "general", "+13175551234", WORKFLOW[:-1], URL):
        with pytest.raises(ValueError, match="the channel of its workflow"):
            Teams.clean_address(address)
    with pytest.raises(PermanentError, match="the channel of its workflow"):
        teams.send(outbound(to="0" * 32))
    assert http_recorder.seen == []


def test_workflow_is_called_at_its_own_host() -> None:
    with pytest.raises(Unreachable) as problem, provider_http.record_exchanges() as exchanges:
        Teams(
            {"workflow_url": URL.replace("environment.api.powerplatform.com", "invalid")},
            provider_http.ProviderHttpClient(),
        ).send(outbound())
    assert exchanges[0].url.startswith(f"https://{CREDENTIALS.derive('teams environment')}.")
    assert "does not resolve" in str(problem.value)


# ── Texts of any kind ─────────────────────────────────────────────────────────────────────────────
ANY = st.text(
    st.one_of(
        st.characters(),
        st.characters(categories=["Cs"]),
        st.sampled_from('*_[]()`~#><&\\"\n\0 🎉1.-|'),
    ),
    max_size=60,
)
LONG = st.builds(lambda text, times: text * times, ANY, st.sampled_from([0, 1, 3, 1000]))
CARDS = st.builds(
    lambda title, facts, notes: Card(title, tuple(facts), tuple(notes)),
    LONG,
    st.lists(st.tuples(LONG, LONG), max_size=70),
    st.lists(LONG, max_size=30),
)


@given(text=LONG, card=st.none() | CARDS, label=LONG)
@trying(max_examples=examples(80), deadline=None)
def test_any_text_makes_a_valid_card_within_20_kb(text: str, card: Card | None, label: str) -> None:
    buttons = tuple(Button(label, f"https://sign.example/{n}") for n in range(5))
    payload = rendered(outbound(text, card=card, buttons=buttons))
    assert len(encoded(payload)) <= 20_000
    content = payload["attachments"][0]["content"]
    assert [action["url"] for action in content["actions"]] == [button.url for button in buttons]
    assert content["body"]
    assert content["fallbackText"]


@given(text=ANY | LONG)
@trying(max_examples=examples(300), deadline=None)
def test_text_size_is_never_underestimated(text: str) -> None:
    plain = text.encode("utf-8", "replace").decode()
    assert size(escape_text(plain)) <= sum(map(cost, plain)) + size("\u034f")


def test_long_text_is_cut_and_short_parts_stay_complete() -> None:
    content = card_of(outbound("Wichtig & dringend. " * 3000, card=CARD, buttons=BUTTONS))
    title, text, facts, note = content["body"]
    assert (title["text"], facts["facts"][0]["value"], note["text"]) == (
        "Employment Agreement",
        "Acme HR",
        "Dana reminded Eric.",
    )
    assert text["text"].endswith("…")
    assert 16_000 < len(text["text"].encode()) < 20_000
    assert len(content["actions"]) == 2


def test_excess_long_links_are_dropped_before_the_card() -> None:
    payload = rendered(
        outbound(
            card=CARD,
            buttons=tuple(
                Button(f"Open {n}", "https://sign.example/" + "a" * 1900) for n in range(20)
            ),
        )
    )
    assert len(encoded(payload)) <= 20_000
    assert [action["title"] for action in payload["attachments"][0]["content"]["actions"]] == [
        f"Open {n}" for n in range(6)
    ]


@pytest.mark.parametrize("text", ["", "  ", "\u200b", "\0"])
def test_empty_text_still_makes_a_card(text: str) -> None:
    assert [block["text"] for block in card_of(outbound(text))["body"]] == ["…"]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("plain “words”, 100% – ok", "plain “words”, 100% – ok"),
        ("*bold*", "∗bold∗"),
        ("`code` ~~gone~~", "ˋcodeˋ ∼∼gone∼∼"),
        ("_it_ and snake_case", "ˍitˍ and snakeˍcase"),
        ("[text](https://evil.example)", "|[|text|]||(|https://evil.example|)|"),
        ("<at>Dana</at>", "|<|at|>|Dana|<|/at|>|"),
        ("&lt;", "|&|lt;"),
        ("C:\\temp", "C:|\\|temp"),
        (
            "- item\n1. first\n# head\n> quote\n2 signers",
            "|- item\n\n|1. first\n\n|# head\n\n|>| quote\n\n2 signers",
        ),
        (
            "see https://x.example/a_b*c?d=(e)&f=1, now",
            "see https://x.example/a%5Fb%2Ac?d=%28e%29&f=1, now",
        ),
        ("(https://x.example/a_).", "|(|https://x.example/a%5F|)|."),
    ],
)
def test_text_is_not_formatted(data: str, expected: str) -> None:
    assert escape_text(data).replace("\u034f", "|") == expected


@given(text=ANY)
@trying(max_examples=examples(300), deadline=None)
def test_simulator_renders_no_formatting_of_any_text(text: str) -> None:
    payload = markdown.render(escape_text(clean_text(text)))
    assert "<" not in payload
    assert "•" not in payload or "•" in text
