"""Telegram: what is posted, how it is written, and what comes of a refusal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as trying
from hypothesis import strategies as st

from hub.core.data_dir import SimulatorCredentials
from hub.core.errors import (
    ConnectionBroken,
    DestinationUnavailable,
    OutcomeUnknown,
    PermanentError,
    RecipientMoved,
    RecipientRefused,
    SendError,
    SlowDown,
    TransientError,
    Unreachable,
)
from hub.core.vocabulary import Status
from hub.integrations.base import Accepted, Button, Card, Outbound
from hub.integrations.telegram.errors import catalog
from hub.integrations.telegram.integration import Telegram
from hub.lib import provider_http
from tests.integrations.http_recorder import Wire, listening

# the test of the contract reads these two
SAMPLE_CODES = ["token_refused", "bot_removed"]
SAMPLE_WEBHOOKS = [
    (
        "telegram/{connection}",
        {"content-type": "application/json", "x-telegram-bot-api-secret-token": "0"},
        b'{"update_id": 9, "message": {"message_id": 5, "date": 1796000000, "text": "Hello",'
        b' "from": {"id": 4711, "is_bot": false, "first_name": "Eric"},'
        b' "chat": {"id": 4711, "type": "private"}}}',
    )
]

CREDENTIALS = SimulatorCredentials("AC" + "1" * 32, "t" * 32, "SK" + "2" * 32, "s" * 32)
SETTINGS = Telegram.demo_settings(CREDENTIALS) or {}
TOKEN = SETTINGS["token"]
SECRET = TOKEN.partition(":")[2]
TEAM = "-1001234567890"
CARD = Card(
    "Employment Agreement",
    (("Sender", "Acme HR"), ("Waiting for", "Eric & Anna")),
    ("Dana reminded Eric <now>.",),
)
BUTTONS = (
    Button("Open document", "https://sign.example/r/1"),
    Button("Remind signer", "https://hub.example/a/x", token="tok_1-x"),
)
POSTED = {"ok": True, "result": {"message_id": 77, "chat": {"id": int(TEAM), "type": "supergroup"}}}


@pytest.fixture
def wire() -> Iterator[Wire]:
    with listening() as here:
        yield here


@pytest.fixture
def telegram(wire: Wire) -> Telegram:
    return a_bot(wire)


def a_bot(wire: Wire, **more: Any) -> Telegram:
    return Telegram(
        {**SETTINGS, **more},
        provider_http.ProviderHttpClient(allow=[f"127.0.0.1:{wire.port}"]),
        dict.fromkeys(Telegram.api, wire.url),
    )


def outbound(text: str = "Anna has signed.", **more: Any) -> Outbound:
    return Outbound(**{"id": "msg_1", "attempt": 1, "to": TEAM, "text": text, **more})


def refusal(status: int, description: str, **parameters: Any) -> dict[str, Any]:
    return {
        "ok": False,
        "error_code": status,
        "description": description,
        **({"parameters": parameters} if parameters else {}),
    }


def refused(
    telegram: Telegram,
    wire: Wire,
    status: int,
    description: str,
    message: Outbound | None = None,
    **parameters: Any,
) -> SendError:
    wire.answer(status, refusal(status, description, **parameters))
    with pytest.raises(SendError) as problem:
        telegram.send(message or outbound())
    return problem.value


# ── Posting ───────────────────────────────────────────────────────────────────────────────────────
def test_a_post_says_what_the_card_says_and_is_delivered_at_once(
    telegram: Telegram, wire: Wire
) -> None:
    wire.answer(200, POSTED)
    assert telegram.send(outbound(card=CARD, buttons=BUTTONS)) == Accepted(
        f"{TEAM}/77", Status.DELIVERED
    )
    assert wire.paths == [f"/bot{TOKEN}/sendMessage"]
    assert wire.bodies == [
        {
            "chat_id": TEAM,
            "parse_mode": "HTML",
            "link_preview_options": {"is_disabled": True},
            "text": (
                "<b>Employment Agreement</b>\n\nAnna has signed.\n\n<b>Sender</b> Acme"
                " HR\n<b>Waiting for</b> Eric &amp; Anna\n\n<i>Dana reminded Eric &lt;now&gt;.</i>"
            ),
            "reply_markup": {
                "inline_keyboard": [
                    [
                        {"text": "Open document", "url": "https://sign.example/r/1"},
                        {"text": "Remind signer", "callback_data": "tok_1-x"},
                    ]
                ]
            },
        }
    ]


def test_an_edit_changes_the_post_and_takes_its_buttons_away(
    telegram: Telegram, wire: Wire
) -> None:
    wire.answer(200, POSTED)
    assert telegram.send(outbound("All signed.", edits=f"{TEAM}/77")) == Accepted(
        f"{TEAM}/77", Status.DELIVERED
    )
    assert wire.paths == [f"/bot{TOKEN}/editMessageText"]
    assert (wire.bodies[0]["message_id"], wire.bodies[0]["chat_id"]) == (77, TEAM)
    assert "reply_markup" not in wire.bodies[0]


def test_an_edit_that_changes_nothing_is_done(telegram: Telegram, wire: Wire) -> None:
    words = (
        "Bad Request: message is not modified: specified new message content and reply markup are"
        " exactly the same"
    )
    wire.answer(400, refusal(400, words))
    assert telegram.send(outbound(edits=f"{TEAM}/77")) == Accepted(f"{TEAM}/77", Status.DELIVERED)


def test_what_cannot_be_parsed_goes_once_more_as_plain_text(telegram: Telegram, wire: Wire) -> None:
    wire.answer(400, refusal(400, "Bad Request: can't parse entities: Unsupported start tag"))
    wire.answer(200, POSTED)
    telegram.send(outbound("1 < 2 & 3", card=CARD, buttons=BUTTONS))
    assert "parse_mode" not in wire.bodies[1]
    assert "1 < 2 & 3" in wire.bodies[1]["text"]
    assert wire.bodies[1]["reply_markup"] == wire.bodies[0]["reply_markup"]


def test_what_cannot_be_parsed_twice_is_given_up(telegram: Telegram, wire: Wire) -> None:
    wire.answer(400, refusal(400, "Bad Request: can't parse entities: x"))
    error = refused(telegram, wire, 400, "Bad Request: can't parse entities: x")
    assert (isinstance(error, PermanentError), error.code, len(wire.seen)) == (
        True,
        "bad_markup",
        2,
    )


# ── Refusals ──────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("status", "description", "error", "code"),
    [
        (401, "Unauthorized", ConnectionBroken, "token_refused"),
        (404, "Not Found", ConnectionBroken, "token_unknown"),
        (409, "Conflict: terminated by other getUpdates request", ConnectionBroken, "conflict"),
        (
            400,
            "Bad Request: not enough rights to send text messages to the chat",
            PermanentError,
            "no_rights",
        ),
        (400, "Bad Request: chat not found", RecipientRefused, "chat_not_found"),
        (400, "Bad Request: chat_id is empty", RecipientRefused, "chat_not_found"),
        (400, "Bad Request: private chat not found", RecipientRefused, "chat_not_found"),
        (403, "Forbidden: bot was blocked by the user", RecipientRefused, "bot_blocked"),
        (403, "Forbidden: user is deactivated", RecipientRefused, "user_deactivated"),
        (403, "Forbidden: bot was kicked from the group chat", PermanentError, "bot_removed"),
        (403, "Forbidden: bot was kicked from the supergroup chat", PermanentError, "bot_removed"),
        (403, "Forbidden: bot was kicked from the channel chat", PermanentError, "bot_removed"),
        (403, "Forbidden: the group chat was deleted", PermanentError, "group_deleted"),
        (
            403,
            "Forbidden: bot can't initiate conversation with a user",
            RecipientRefused,
            "not_started",
        ),
        (403, "Forbidden: something new", PermanentError, "forbidden"),
        (400, "Bad Request: message text is empty", PermanentError, "text_empty"),
        (400, "Bad Request: message is too long", PermanentError, "too_long"),
        (400, "Bad Request: Wrong HTTP URL specified", PermanentError, "bad_link"),
        (400, "Bad Request: reply markup is too long", PermanentError, "bad_buttons"),
        (400, "Bad Request: BUTTON_DATA_INVALID", PermanentError, "bad_buttons"),
        (400, "Bad Request: message to edit not found", PermanentError, "edit_gone"),
        (400, "Bad Request: something new", PermanentError, "http_400"),
        (500, "Internal Server Error", OutcomeUnknown, "http_500"),
        (502, "Bad Gateway", OutcomeUnknown, "http_502"),
        (504, "Gateway Timeout", OutcomeUnknown, "http_504"),
    ],
)
def test_a_refusal_is_known_by_its_words(
    telegram: Telegram, wire: Wire, status: int, description: str, error: type[SendError], code: str
) -> None:
    found = refused(telegram, wire, status, description, outbound(to="4711"))
    assert isinstance(found, error)
    assert found.code == code
    assert not isinstance(found, DestinationUnavailable)


ABOUT_A_CHAT = [
    (400, "Bad Request: not enough rights to send text messages to the chat"),
    (400, "Bad Request: chat not found"),
    (400, "Bad Request: CHAT_WRITE_FORBIDDEN"),
    (400, "Bad Request: TOPIC_CLOSED"),
    (400, "Bad Request: message thread not found"),
    (400, "Bad Request: CHANNEL_PRIVATE"),
    (403, "Forbidden: bot was kicked from the group chat"),
    (403, "Forbidden: something new"),
    (403, "Forbidden: bot was kicked from the supergroup chat"),
    (403, "Forbidden: bot is not a member of the channel chat"),
    (403, "Forbidden: the group chat was deleted"),
    (403, "Forbidden: user is deactivated"),
    (400, "Bad Request: SOMETHING_NEW"),
    (406, "Not Acceptable: SOMETHING_NEW"),
]


@pytest.mark.parametrize(("status", "description"), ABOUT_A_CHAT)
def test_a_chat_that_takes_no_posts_pauses_the_teams_own_and_fails_another(
    wire: Wire, status: int, description: str
) -> None:
    own = refused(a_bot(wire, team_chat=TEAM), wire, status, description, outbound(to=TEAM))
    assert isinstance(own, DestinationUnavailable)
    assert own.sure == ("SOMETHING_NEW" not in description)
    other = refused(a_bot(wire, team_chat="-1009"), wire, status, description, outbound(to=TEAM))
    assert isinstance(other, PermanentError)
    assert not isinstance(other, RecipientRefused)
    assert own.code == other.code


def test_an_edit_refused_in_unknown_words_fails_alone(wire: Wire) -> None:
    found = refused(
        a_bot(wire, team_chat=TEAM),
        wire,
        400,
        "Bad Request: SOMETHING_NEW",
        outbound(edits=f"{TEAM}/77"),
    )
    assert isinstance(found, PermanentError)


def test_a_group_that_became_a_supergroup_names_its_new_id(telegram: Telegram, wire: Wire) -> None:
    words = "Bad Request: group chat was upgraded to a supergroup chat"
    found = refused(telegram, wire, 400, words, migrate_to_chat_id=-1009876543210)
    assert isinstance(found, RecipientMoved)
    assert Telegram.clean_address(found.new) == found.new == "-1009876543210"


@pytest.mark.parametrize(("parameters", "seconds"), [({"retry_after": 35}, 35.0), ({}, 5.0)])
def test_too_much_to_one_chat_lets_the_others_go_on(
    telegram: Telegram, wire: Wire, parameters: dict[str, int], seconds: float
) -> None:
    found = refused(telegram, wire, 429, "Too Many Requests: retry after 35", **parameters)
    assert isinstance(found, TransientError)
    assert not isinstance(found, SlowDown | Unreachable)
    assert found.retry_after == seconds


def test_what_is_not_from_telegram_speaks_for_no_message(telegram: Telegram, wire: Wire) -> None:
    for status in (401, 403, 404, 407):
        wire.answer(status, "<html>nginx</html>")
        with pytest.raises(Unreachable, match="HUB_TELEGRAM_API_URL"):
            telegram.send(outbound())
    wire.answer(408, "<html>nginx</html>")
    wire.answer(302, "", Location="https://elsewhere.example")
    wire.answer(200, "<html>welcome to our wi-fi</html>")
    wire.answer(200, {"ok": True, "result": {}})
    for _ in range(4):
        with pytest.raises(OutcomeUnknown):
            telegram.send(outbound())
    wire.answer(503, "", Retry_After="3")
    with pytest.raises(SlowDown):
        telegram.send(outbound())


def test_nobody_there_is_not_the_same_as_no_answer(telegram: Telegram, wire: Wire) -> None:
    with pytest.raises(OutcomeUnknown, match="closed the connection") as problem:
        telegram.send(outbound())
    assert problem.value.code == "no_answer"
    away = Telegram(
        SETTINGS,
        provider_http.ProviderHttpClient(allow=["127.0.0.1:1"]),
        {"telegram": "http://127.0.0.1:1"},
    )
    with pytest.raises(Unreachable) as unreached:
        away.send(outbound())
    assert unreached.value.code == "unreachable"


@pytest.mark.parametrize("code", sorted(catalog()))
def test_every_refusal_is_explained_with_a_remedy(code: str) -> None:
    known = Telegram.explain(code)
    assert known is not None
    for sentence in (known.text, known.remedy):
        assert sentence.endswith(".")
        assert sentence[0].isupper()
        assert not [
            unwanted for unwanted in ("!", "  ", "'", "please") if unwanted in sentence.lower()
        ]
    assert re.fullmatch("[a-z_]{4,20}", code)


def test_neither_the_token_nor_the_message_is_told_by_an_error(
    telegram: Telegram, wire: Wire
) -> None:
    for status in (200, 302, 400, 401, 403, 404, 429, 500, 503):
        wire.answer(status, refusal(status, f"Bad Request: {SECRET} said Anna has signed."))
    with provider_http.record_exchanges() as exchanges:
        for _ in range(10):  # the last is dropped
            with pytest.raises(SendError) as problem:
                telegram.send(outbound())
            told = (
                f"{problem.value} {problem.value!r} {vars(problem.value)}"
                f" {problem.value.__cause__!r}"
            )
            assert SECRET not in told
            assert "has signed" not in told
    assert SECRET not in repr(exchanges)
    assert len(exchanges) == 10


# ── Writing ───────────────────────────────────────────────────────────────────────────────────────
class Reader(HTMLParser):
    """Reads a text as Telegram does: these two tags, never one in the other, and five entities."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.text = ""
        self.open = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        assert (tag in ("b", "i"), self.open, attrs) == (True, "", [])
        self.open = tag

    def handle_endtag(self, tag: str) -> None:
        assert tag == self.open
        self.open = ""

    def handle_data(self, data: str) -> None:
        assert "<" not in data
        assert "&" not in data
        self.text += data

    def handle_entityref(self, name: str) -> None:
        self.text += {"amp": "&", "lt": "<", "gt": ">"}[name]


def shown(html: str) -> str:
    """Return the text that Telegram shows for some HTML; fails where Telegram would refuse it."""
    assert re.fullmatch(r"(</?[bi]>|&(amp|lt|gt);|[^<>&])*", html, re.DOTALL)
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == ""
    return reader.text


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


ANY = st.text(
    st.one_of(
        st.characters(), st.characters(categories=["Cs"]), st.sampled_from("<>&\"'\n\0 🎉̈#;\u200d")
    ),
    max_size=60,
)
LONG = st.builds(lambda text, times: text * times, ANY, st.sampled_from([0, 1, 3, 400]))
CARDS = st.builds(
    lambda title, facts, notes: Card(title, tuple(facts), tuple(notes)),
    LONG,
    st.lists(st.tuples(LONG, LONG), max_size=70),
    st.lists(LONG, max_size=30),
)


@given(text=LONG, card=st.none() | CARDS, label=LONG)
@trying(max_examples=80, deadline=None)
def test_texts_of_any_length_and_alphabet_are_within_telegrams_rules(
    text: str, card: Card | None, label: str
) -> None:
    bot = Telegram(SETTINGS, provider_http.ProviderHttpClient())
    message = outbound(text, card=card, buttons=(Button(label, "https://x.example"),))
    payload = bot.render(message)
    seen = shown(payload["text"])
    assert 1 <= units(seen) <= 4096
    assert seen.strip()
    assert seen == bot.plain(message)["text"]
    assert str(payload).encode(), "no half of a surrogate pair is left"
    assert 1 <= len(payload["reply_markup"]["inline_keyboard"][0][0]["text"]) <= 64


def test_a_long_text_is_cut_and_what_is_short_stays_whole() -> None:
    payload = Telegram(SETTINGS, provider_http.ProviderHttpClient()).render(
        outbound("🎉&" * 5000, card=CARD)
    )
    seen = shown(payload["text"])
    assert seen.startswith("Employment Agreement\n\n🎉&🎉&")
    assert (
        "&…\n\nSender Acme HR\nWaiting for Eric & Anna\n\nDana reminded Eric <now>." in seen
        or "🎉…\n\nSender" in seen
    )
    assert 4080 < units(seen) <= 4096


def test_a_short_text_is_not_touched() -> None:
    text = "Zeile 1\nZeile 2: „Vertrag“ <1> & 2 🎉"
    assert (
        shown(Telegram(SETTINGS, provider_http.ProviderHttpClient()).render(outbound(text))["text"])
        == text
    )


@pytest.mark.parametrize("text", ["", "   ", "\u200b\u200d", "\0", "\n\n"])
def test_nothing_to_show_is_not_sent_as_nothing(text: str) -> None:
    assert (
        Telegram(SETTINGS, provider_http.ProviderHttpClient()).render(outbound(text))["text"] == "…"
    )


def test_short_buttons_share_a_row_and_a_hundred_are_enough() -> None:
    labels = [
        "Open",
        "Remind",
        "Snooze a day",
        "A label that is too long to stand beside another",
        "Last",
    ]
    markup = Telegram(SETTINGS, provider_http.ProviderHttpClient()).render(
        outbound(buttons=tuple(Button(one, "https://x.example") for one in labels))
    )
    assert [[one["text"] for one in row] for row in markup["reply_markup"]["inline_keyboard"]] == [
        ["Open", "Remind"],
        ["Snooze a day"],
        ["A label that is too long to stand beside another"],
        ["Last"],
    ]
    many = Telegram(SETTINGS, provider_http.ProviderHttpClient()).render(
        outbound(buttons=(Button("x", "https://x.example"),) * 300)
    )
    assert sum(map(len, many["reply_markup"]["inline_keyboard"])) == 100


def test_a_token_that_telegram_would_not_carry_becomes_a_link() -> None:
    button = Button("Remind", "https://hub.example/a/x", token="t" * 65)
    made = Telegram(SETTINGS, provider_http.ProviderHttpClient()).render(
        outbound(buttons=(button,))
    )
    assert made["reply_markup"]["inline_keyboard"] == [
        [{"text": "Remind", "url": "https://hub.example/a/x"}]
    ]
