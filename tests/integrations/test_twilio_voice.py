"""Calls over Twilio: what they say, in any language and with hostile names, and their limits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from hub.core.data_dir import SimulatorCredentials
from hub.integrations.api import Outbound, ProviderHttpClient, Status
from hub.integrations.twilio import calls, speech
from hub.integrations.twilio.voice import TwilioVoice
from hub.signing.shipped_texts import LANGUAGES

CREDENTIALS = SimulatorCredentials(
    "AC" + "1" * 32, "t" * 32, "SK" + "2" * 32, "s" * 32, "+15005550006", "MG" + "3" * 32
)
SETTINGS = TwilioVoice.demo_settings(CREDENTIALS) or {}
URL = "https://hub.example/api/rpc/webhooks/twilio/voice?message=msg_1&attempt=1"
HOSTILE_LETTERS = "<>&\"'\x00\x1b\u202e\u200f😀\ud83d\u0627זж "
HOSTILE = st.text(max_size=300) | st.text(HOSTILE_LETTERS, max_size=80)


def connect(**changes: Any) -> TwilioVoice:
    return TwilioVoice({**SETTINGS, **changes}, ProviderHttpClient())


def rendered(text: str, *, locale: str = "en", url: str = URL, **changes: Any) -> dict[str, Any]:
    message = Outbound("msg_1", 1, "+13175551234", text, locale=locale, status_url=url)
    return connect(**changes).render(message)


def sentences(twiml: str) -> Sequence[str]:
    root = ElementTree.fromstring(twiml)  # noqa: S314 - our own
    return [say.text or "" for say in root.iter("Say")]


# ── What a call says ──────────────────────────────────────────────────────────────────────────────
@given(HOSTILE, HOSTILE.filter(lambda name: bool(speech.spoken_text(name))))
def test_any_text_and_name_is_valid_twiml_within_the_limit(text: str, name: str) -> None:
    twiml = rendered(text, caller_name=name)["Twiml"]
    said = sentences(twiml)
    assert len(twiml) <= speech.MAX_TWIML
    assert all(sentence.isprintable() for sentence in said)
    assert said[0].startswith("Hello. This is an automated call from")


@given(st.text(min_size=1, max_size=4000), st.integers(0, 1500))
def test_longest_text_fits_with_any_url(text: str, path: int) -> None:
    url = URL.replace("/api", "/" + "p" * path + "/api")
    payload = rendered(text, url=url)
    assert len(payload["Twiml"]) <= speech.MAX_TWIML or not speech.spoken_text(text)
    assert all(len(quote(sentence)) <= 4500 for sentence in sentences(payload["Twiml"]))


@given(st.text(max_size=200))
def test_text_that_is_accepted_is_read_completely(text: str) -> None:
    if TwilioVoice.length_of(text) <= TwilioVoice.max_length and speech.spoken_text(text):
        assert speech.spoken_text(text) in sentences(rendered(text)["Twiml"])


@pytest.mark.parametrize(
    "text",
    [
        "Please sign: https://sign.example/r/eric?token=1",
        "Please sign at www.sign.example/r/eric now",
        "Please sign HTTP://SIGN.EXAMPLE/R/ERIC",
        "Please sign sign.example/r/eric",
    ],
)
def test_link_is_never_read_aloud(text: str) -> None:
    said = " ".join(sentences(rendered(text)["Twiml"]))
    assert "Please sign" in said
    assert "example" not in said.lower()


@pytest.mark.parametrize("locale", LANGUAGES)
@pytest.mark.parametrize("voices", [speech.NATURAL, speech.BASIC])
def test_each_shipped_language_has_a_voice_and_its_own_sentences(locale: str, voices: str) -> None:
    twiml = rendered("Anna", locale=locale, voices=voices)["Twiml"]
    root = ElementTree.fromstring(twiml)  # noqa: S314
    languages = {say.get("language", "") for say in root.iter("Say")}
    assert {language.lower()[:2] for language in languages} == {locale[:2]}
    assert speech.phrases(locale) is not speech.phrases("xx") or locale == "en"
    assert set(speech.phrases(locale)) == set(speech.phrases("en"))


@given(st.text(max_size=12))
def test_any_locale_has_a_voice(locale: str) -> None:
    voice, language = speech.find_voice(locale)
    assert voice
    assert language


def test_call_without_a_reachable_hub_reads_the_text_once() -> None:
    payload = rendered("Anna", url="")
    assert "Gather" not in payload["Twiml"]
    assert "StatusCallback" not in payload


def test_no_key_is_swallowed_as_the_end_of_an_entry() -> None:
    """By default, Twilio takes # as the end of an entry and reports nothing."""
    assert 'finishOnKey=""' in rendered("Anna")["Twiml"]


def test_call_rings_as_long_as_the_setting_says() -> None:
    assert rendered("Anna", ring_seconds=18)["Timeout"] == 18
    assert rendered("Anna", ring_seconds=None)["Timeout"] == 25


# ── Settings ──────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ring_seconds", "14"),
        ("ring_seconds", "31"),
        ("call_again", "1,2,3,4,5,6"),
        ("call_again", "99999"),
        ("call_again", "soon"),
        ("caller_name", "😀"),
        ("caller_name", "a" * 61),
        ("lines", "0"),
        ("sender", "MG" + "3" * 32),
    ],
)
def test_wrong_setting_is_refused(field: str, value: str) -> None:
    data = {name: str(entry) for name, entry in SETTINGS.items() if entry not in ("", False, {})}
    assert TwilioVoice.Form(MultiDict(data)).validate(), TwilioVoice.Form(MultiDict(data)).errors
    form = TwilioVoice.Form(MultiDict({**data, field: value}))
    assert not form.validate()
    assert form[field].errors


@pytest.mark.parametrize(
    ("text", "minutes"), [("5, 30", [5, 30]), ("0", []), ("", []), ("10", [10])]
)
def test_waits_are_read(text: str, minutes: list[int]) -> None:
    waits = TwilioVoice.waits_before_retries({"call_again": text})
    assert waits == [timedelta(minutes=entry) for entry in minutes]


@pytest.mark.parametrize("number", ["+19005551234", "+499001654321"])
def test_premium_number_is_not_called(number: str) -> None:
    with pytest.raises(ValueError, match="premium"):
        TwilioVoice.clean_address(number)


@given(st.text(max_size=2400))
def test_estimate_covers_at_least_a_minute(text: str) -> None:
    assert 1 <= TwilioVoice.billed_units(text) <= 13


# ── Statuses ──────────────────────────────────────────────────────────────────────────────────────
@given(st.permutations(list(calls.STATUSES)))
def test_order_of_statuses_does_not_change_the_highest(order: list[str]) -> None:
    updates = [calls.call_status(name) for name in order]
    ranks = [update.status.rank for update in updates if update.status]
    assert max(ranks) == Status.UNDELIVERED.rank


def test_callback_without_a_time_has_none() -> None:
    assert calls._time({"Timestamp": "not a time"}) is None
    assert calls._time({"Timestamp": "Mon, 30 Nov 2026 07:00:00 +0000"}) == datetime(
        2026, 11, 30, 7, tzinfo=UTC
    )
