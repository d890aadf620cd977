"""Microsoft Teams: the card that is posted, what comes of a refusal, which addresses are a
workflow's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import settings as trying
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from hub.core.data_dir import SimulatorCredentials
from hub.core.errors import (
    ConnectionBroken,
    DestinationUnavailable,
    OutcomeUnknown,
    PermanentError,
    SendError,
    SlowDown,
    Unreachable,
)
from hub.core.vocabulary import Status
from hub.integrations.base import Accepted, Button, Card, Outbound
from hub.integrations.shortening import clean_text
from hub.integrations.teams.card import encoded
from hub.integrations.teams.errors import CODES
from hub.integrations.teams.integration import Teams
from hub.integrations.teams.text import cost, neutral, size
from hub.lib import provider_http
from hub.simulator.teams import markdown
from tests.integrations.http_recorder import Wire, listening

SAMPLE_CODES = ["url_refused", "workflow_gone"]  # the test of the contract reads them

CREDENTIALS = SimulatorCredentials("AC" + "1" * 32, "t" * 32, "SK" + "2" * 32, "s" * 32)
SETTINGS = Teams.demo_settings(CREDENTIALS) or {}
URL = SETTINGS["workflow_url"]
TARGET = "/" + URL.split("/", 3)[3]
SIG = URL.partition("sig=")[2]
WORKFLOW = Teams.senders_of(SETTINGS).default
CARD = Card(
    "Employment Agreement",
    (("Sender", "Acme HR"), ("Waiting for", "Eric")),
    ("Dana reminded Eric.",),
)
BUTTONS = (
    Button("Open document", "https://sign.example/r/1", style="primary"),
    Button("Remind signer", "https://hub.example/a/x", token="x"),
)
SCHEMA = jsonschema.Draft6Validator(
    json.loads(files("adaptive_cards").joinpath("schemas/schema-1.5.json").read_text("utf-8"))
)


@pytest.fixture
def wire() -> Iterator[Wire]:
    with listening() as here:
        yield here


@pytest.fixture
def teams(wire: Wire) -> Teams:
    return Teams(
        SETTINGS,
        provider_http.ProviderHttpClient(allow=[f"127.0.0.1:{wire.port}"]),
        {"teams": wire.url},
    )


def outbound(text: str = "Anna has signed.", **more: Any) -> Outbound:
    return Outbound(**{"id": "msg_1", "attempt": 1, "to": WORKFLOW, "text": text, **more})


def rendered(message: Outbound) -> dict[str, Any]:
    """Return the payload of a message, after the schema has found nothing wrong with its card."""
    payload = Teams(SETTINGS, provider_http.ProviderHttpClient()).render(message)
    (attachment,) = payload["attachments"]
    assert (payload["type"], attachment["contentType"]) == (
        "message",
        "application/vnd.microsoft.card.adaptive",
    )
    SCHEMA.validate(
        {name: value for name, value in attachment["content"].items() if name != "msteams"}
    )  # which is Teams' own
    return payload


def card_of(message: Outbound) -> dict[str, Any]:
    found: dict[str, Any] = rendered(message)["attachments"][0]["content"]
    return found


# ── Posting ───────────────────────────────────────────────────────────────────────────────────────
def test_a_card_says_what_is_so_and_links_to_what_can_be_done() -> None:
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
def test_a_card_that_was_taken_is_sent_and_never_called_delivered(
    teams: Teams, wire: Wire, status: int
) -> None:
    wire.answer(status)
    message = outbound(card=CARD, buttons=BUTTONS)
    assert teams.send(message) == Accepted("", Status.SENT)
    assert (wire.paths, wire.bodies) == ([TARGET], [teams.render(message)])


def test_a_workflow_posts_to_its_own_channel_only(teams: Teams, wire: Wire) -> None:
    assert (
        Teams.clean_address(f" {WORKFLOW.upper()} ") == WORKFLOW == Teams.destination_of(SETTINGS)
    )
    for address in ("", "general", "+13175551234", WORKFLOW[:-1], URL):
        with pytest.raises(ValueError, match="its workflow only"):
            Teams.clean_address(address)
    with pytest.raises(PermanentError, match="its workflow only"):
        teams.send(outbound(to="0" * 32))
    assert wire.seen == []


def test_a_workflow_is_called_at_its_own_host() -> None:
    with pytest.raises(Unreachable) as problem, provider_http.record_exchanges() as exchanges:
        Teams(
            {"workflow_url": URL.replace("environment.api.powerplatform.com", "invalid")},
            provider_http.ProviderHttpClient(),
        ).send(outbound())
    assert exchanges[0].url.startswith(f"https://{CREDENTIALS.made_up('teams environment')}.")
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
@trying(max_examples=80, deadline=None)
def test_texts_of_any_length_and_alphabet_make_a_valid_card_of_20_kb(
    text: str, card: Card | None, label: str
) -> None:
    buttons = tuple(Button(label, f"https://sign.example/{n}") for n in range(5))
    payload = rendered(outbound(text, card=card, buttons=buttons))
    assert len(encoded(payload)) <= 20_000
    content = payload["attachments"][0]["content"]
    assert [action["url"] for action in content["actions"]] == [button.url for button in buttons]
    assert content["body"]
    assert content["fallbackText"]


@given(text=ANY | LONG)
@trying(max_examples=300, deadline=None)
def test_no_text_takes_more_room_than_is_reckoned(text: str) -> None:
    plain = text.encode("utf-8", "replace").decode()
    assert size(neutral(plain)) <= sum(map(cost, plain)) + size("\u034f")


def test_a_long_text_is_cut_and_what_is_short_stays_whole() -> None:
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


def test_links_that_are_too_long_together_leave_room_for_what_they_are_about() -> None:
    payload = rendered(
        outbound(
            card=CARD,
            buttons=tuple(
                Button(f"Open {n}", "https://sign.example/" + "a" * 1900) for n in range(20)
            ),
        )
    )
    assert len(encoded(payload)) <= 20_000
    assert [one["title"] for one in payload["attachments"][0]["content"]["actions"]] == [
        f"Open {n}" for n in range(6)
    ]


@pytest.mark.parametrize("text", ["", "  ", "\u200b", "\0"])
def test_nothing_to_show_is_still_a_card(text: str) -> None:
    assert [block["text"] for block in card_of(outbound(text))["body"]] == ["…"]


@pytest.mark.parametrize(
    ("data", "shown"),
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
def test_nothing_in_a_text_formats_it(data: str, shown: str) -> None:
    assert neutral(data).replace("\u034f", "|") == shown


@given(text=ANY)
@trying(max_examples=300, deadline=None)
def test_the_stand_in_too_reads_no_formatting_in_any_text(text: str) -> None:
    shown = markdown.render(neutral(clean_text(text)))
    assert "<" not in shown
    assert "•" not in shown or "•" in text


# ── Refusals ──────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("status", "named", "error", "code"),
    [
        (400, "TriggerInputSchemaMismatch", PermanentError, "card_refused"),
        (400, "WorkflowTriggerIsNotEnabled", DestinationUnavailable, "workflow_off"),
        (409, "WorkflowTriggerIsNotEnabled", DestinationUnavailable, "workflow_off"),
        (401, "DirectApiAuthorizationRequired", ConnectionBroken, "url_refused"),
        (403, "", ConnectionBroken, "url_refused"),
        (404, "WorkflowNotFound", DestinationUnavailable, "workflow_gone"),
        (410, "", DestinationUnavailable, "workflow_gone"),
        (413, "", PermanentError, "card_too_large"),
        (418, "", DestinationUnavailable, "http_418"),
        (407, "", Unreachable, "http_407"),
        (302, "", OutcomeUnknown, "http_302"),
        (429, "", SlowDown, "too_many"),
        (408, "", OutcomeUnknown, "http_408"),
        (500, "", OutcomeUnknown, "http_500"),
        (502, "", OutcomeUnknown, "http_502"),
        (503, "", OutcomeUnknown, "http_503"),
        (504, "", OutcomeUnknown, "http_504"),
    ],
)
def test_a_refusal_is_known_by_its_status(
    teams: Teams, wire: Wire, status: int, named: str, error: type[SendError], code: str
) -> None:
    wire.answer(status, {"error": {"code": named, "message": f"{URL} Anna has signed."}})
    with pytest.raises(SendError) as problem, provider_http.record_exchanges() as exchanges:
        teams.send(outbound())
    assert (type(problem.value), problem.value.code) == (error, code)
    told = f"{problem.value} {vars(problem.value)} {problem.value.__cause__!r} {exchanges}"
    assert not [secret for secret in (SIG, WORKFLOW, "has signed") if secret in told]


@pytest.mark.parametrize(
    ("status", "headers", "pause"),
    [(429, {"Retry-After": "7"}, 7), (429, {}, 10), (503, {"Retry-After": "3"}, 3)],
)
def test_a_workflow_that_wants_a_pause_gets_it(
    teams: Teams, wire: Wire, status: int, headers: dict[str, str], pause: float
) -> None:
    wire.answer(status, "", **headers)
    with pytest.raises(SlowDown) as problem:
        teams.send(outbound())
    assert problem.value.retry_after == pause


def test_no_answer_leaves_it_open_and_nobody_there_does_not(teams: Teams) -> None:
    with pytest.raises(OutcomeUnknown, match="closed the connection"):
        teams.send(outbound())
    with pytest.raises(Unreachable):
        Teams(
            SETTINGS,
            provider_http.ProviderHttpClient(allow=["127.0.0.1:1"]),
            {"teams": "http://127.0.0.1:1"},
        ).send(outbound())


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_refusal_is_explained_with_a_remedy(code: str) -> None:
    known = Teams.explain(code)
    assert known is not None
    for sentence in (known.text, known.remedy):
        assert sentence.endswith(".")
        assert sentence[0].isupper()
        assert not [
            unwanted for unwanted in ("!", "  ", "'", "please") if unwanted in sentence.lower()
        ]


# ── The test of the settings ──────────────────────────────────────────────────────────────────────
def test_the_test_posts_a_card_that_people_see(teams: Teams, wire: Wire) -> None:
    wire.answer(202)
    result = teams.check()
    assert (result.ok, Teams.checks_visibly) == (True, True)
    assert "Check the channel" in result.text
    (payload,) = wire.bodies
    assert "Signpost can post" in payload["attachments"][0]["content"]["body"][0]["text"]


def test_a_test_that_fails_says_what_to_do_and_shows_no_more_than_the_host(
    teams: Teams, wire: Wire
) -> None:
    wire.answer(401, {"error": {"code": "DirectApiAuthorizationRequired", "message": URL}})
    result = teams.check()
    assert (result.ok, result.field, result.code) == (False, "workflow_url", "url_refused")
    assert "Anyone to trigger" in result.steps[0]
    assert result.response == "POST http://127.0.0.1/•••\nHTTP 401\ncode url_refused"


def test_a_failure_that_passes_blames_no_setting(teams: Teams, wire: Wire) -> None:
    wire.answer(502)
    result = teams.check()
    assert (result.ok, result.field, result.code) == (False, "", "http_502")


# ── Addresses ─────────────────────────────────────────────────────────────────────────────────────
def complaint(url: str, other_host: str = "") -> str:
    form = Teams.Form(MultiDict({"workflow_url": url, "other_host": other_host}))
    form.validate()
    return " ".join(str(error) for errors in form.errors.values() for error in errors)


HOST = URL.split("/")[2]


@pytest.mark.parametrize(
    "url",
    [
        URL,
        URL.replace(":443", ""),
        URL.replace("https://", "https://default"),
        URL.upper()
        .replace("HTTPS", "https")
        .replace("SIG=", "sig=")
        .replace("WORKFLOWS/", "workflows/")
        .replace("/TRIGGERS/", "/triggers/"),
        URL.replace("/direct/", "/direct/cu/07/"),
    ],
)
def test_a_workflows_url_is_taken(url: str) -> None:
    assert complaint(url) == ""


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://acme.webhook.office.com/webhookb2/x@y/IncomingWebhook/z", "Office 365 connector"),
        ("https://outlook.office.com/webhook/x", "Office 365 connector"),
        (
            "https://outlook.office365.com/webhook/x",
            "Post to a channel when a webhook request is received",
        ),
        (URL.replace(HOST, "prod-12.westeurope.logic.azure.com:443"), "November 30, 2025"),
        (URL.replace(HOST, "evil.example"), "not the URL of a Teams workflow"),
        (
            URL.replace(HOST, HOST.replace(":443", ".evil.example")),
            "not the URL of a Teams workflow",
        ),
        (URL.replace(HOST, f"evil.example#{HOST}"), "not the URL of a Teams workflow"),
        (URL.replace(HOST, "127.0.0.1"), "not the URL of a Teams workflow"),
        (URL.replace("https://", "https://evil.example\\@"), ""),
        ("https://[", "not the URL of a Teams workflow"),
        ("x", "not the URL of a Teams workflow"),
        (URL.replace("https:", "http:"), "https://"),
        (URL.replace(":443", ":8443"), "443"),
        (URL.replace("https://", "https://me:secret@"), "without a user name"),
        (URL.partition("&sig=")[0], "not complete"),
        (URL.partition("?")[0], "not complete"),
        (URL.replace("/triggers/", "/x/"), "not complete"),
        (URL.replace("workflows/", "x/"), "not complete"),
        (URL.replace("/invoke", "/in voke"), "not complete"),
    ],
)
def test_another_url_is_refused_with_what_to_do(url: str, said: str) -> None:
    found = complaint(url)
    assert found
    assert said in found
    assert found.endswith(".")
    assert SIG not in found


@pytest.mark.parametrize(
    ("host", "other", "taken"),
    [
        ("flow.acme.example", "flow.acme.example", True),
        ("a.gov.example", "*.gov.example", True),
        ("gov.example", "*.gov.example", False),
        ("evilgov.example", "*.gov.example", False),
        ("flow.acme.example", "acme.example", False),
        ("a.webhook.office.com", "*.office.com", False),
        ("prod-1.x.logic.azure.com", "*.azure.com", False),
        ("a.example", "*.example", False),
    ],
)
def test_other_clouds_are_named_by_host_or_by_its_end(host: str, other: str, taken: bool) -> None:
    assert (complaint(URL.replace(HOST, host), other) == "") is taken


def test_the_workflow_is_no_secret_and_the_rest_is() -> None:
    assert CREDENTIALS.made_up("teams workflow") == WORKFLOW
    assert (
        Teams.senders_of({}).default == Teams.destination_of({}) == Teams.account_of(SETTINGS) == ""
    )
    assert SIG not in json.dumps(rendered(outbound(card=CARD, buttons=BUTTONS)))
