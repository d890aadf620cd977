"""Keywords: recognized messages in any notation."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hub.messaging.contacts import keywords
from hub.messaging.contacts.keywords import HELP, START, STOP, Keyword, recognize_keyword, spellings

CLOSING = (*STOP, *keywords.STOP_PHRASES)
HELPING = (*HELP, *keywords.HELP_PHRASES)
ALL = [
    (word, kind)
    for words, kind in ((CLOSING, Keyword.STOP), (START, Keyword.START), (HELPING, Keyword.HELP))
    for word in words
]
EMOJI = [
    "🛑",
    "👍🏽",
    "❤️",
    "👩‍👩‍👧",
    "1️⃣",
    "#️⃣",
    "™️",
    "ℹ️",
    "Ⓜ️",
    "㊗️",
    "🈁",
    "🇩🇪",
    "🏴󠁧󠁢󠁳󠁣󠁴󠁿",
    "🆗",
    "®",
    "\U0001fae9",
    "✋",
    "‼️",
]
DECORATING = ("P", "S", "Z", "C")


def to_full_width(text: str) -> str:
    return "".join(
        chr(ord(character) + 0xFEE0) if "!" <= character <= "~" else character for character in text
    )


def to_circled(text: str) -> str:
    return "".join(
        chr(0x24B6 + ord(character) - ord("A")) if "A" <= character <= "Z" else character
        for character in text
    )


def decoration() -> st.SearchStrategy[str]:
    """Return the characters that people put around words.

    They are punctuation, symbols, emoji, whitespace, and control and invisible characters.
    """
    symbols = [
        character
        for character in map(chr, range(sys.maxunicode + 1))
        if unicodedata.category(character)[0] in DECORATING
        and unicodedata.category(character) not in ("Cs", "Co", "Cn")
        and not (
            unicodedata.category(character) == "So"
            and len(unicodedata.normalize("NFKC", character)) == 1
            and unicodedata.normalize("NFKC", character).isalpha()
        )
    ]
    return st.lists(
        st.one_of(st.sampled_from(symbols), st.sampled_from(EMOJI), st.sampled_from(" .!?\"'-")),
        max_size=6,
    ).map("".join)


DECORATION = st.deferred(decoration)  # not when it is imported: it reads a million characters


def letter_case() -> st.SearchStrategy[object]:
    return st.sampled_from([str, str.lower, str.title, str.swapcase, to_full_width])


# ── Closing ───────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("keyword", "kind"), ALL)
@pytest.mark.parametrize(
    "typed",
    [
        str,
        str.lower,
        str.title,
        to_full_width,
        lambda word: f"  {word}\n",
        lambda word: f"\u200b{word}\ufeff",
        lambda word: f"“{word}”",
        lambda word: f"{word}.",
        lambda word: f"{word}!!",
        lambda word: "".join(character + "\u0301" for character in word),
    ],
)
def test_keyword_is_recognized_in_any_notation(keyword: str, kind: Keyword, typed: object) -> None:
    assert recognize_keyword(typed(keyword)) == kind  # type: ignore[operator]


@given(st.sampled_from(CLOSING), DECORATION, DECORATION, letter_case())
def test_opt_out_is_recognized_with_any_decoration(
    keyword: str, before: str, after: str, case: object
) -> None:
    text = before + case(keyword) + after  # type: ignore[operator]
    assert recognize_keyword(text) == Keyword.STOP


@given(st.sampled_from(HELPING), DECORATION, DECORATION, letter_case())
def test_help_request_is_recognized_with_any_decoration(
    keyword: str, before: str, after: str, case: object
) -> None:
    text = before + case(keyword) + after  # type: ignore[operator]
    assert recognize_keyword(text) == Keyword.HELP


@given(
    st.lists(st.sampled_from([*CLOSING, *keywords.POLITE]), min_size=1, max_size=6),
    st.sampled_from([" ", ", ", "! ", "\n", " 🙏 "]),
)
def test_opt_outs_may_be_repeated_and_polite(parts: list[str], between: str) -> None:
    assume(any(part in CLOSING for part in parts))
    assert recognize_keyword(between.join(parts)) == Keyword.STOP


@pytest.mark.parametrize(
    "text",
    [
        "Stop.",
        "stop!",
        '"STOP"',
        "STOP 🛑",
        "opt out",
        "Opt-out",
        "stop all",
        "unsubscribe me",
        "please stop",
        "stop please",
        "STOP STOP",
        "S T O P",
        "s.t.o.p.",
        "STOP-ALL",
        "opt – out",
        "OPT_OUT",
        "«stop»",
        "„Stop“",
        "¡stop!",
        "(stop)",
        "*STOP*",
        "~stop~",
        "STOP🛑🛑",
        "stop 1️⃣",
        "Stop, bitte!",
        "por favor stop",
        "stop s’il vous plaît",
        "Ⓢⓣⓞⓟ",
        "ⓈⓉⓄⓅ",
        "stop\u00a0all",
        "STOP" + "!" * 500,
        "STOP " * 100,
        "Stop. Thanks",
        "opt   out",
        "STOP...",
        "stop texting me",
        "'stop'",
        "`stop`",
        "STOP\ufe0f",
    ],
)
def test_opt_out_phrases_are_recognized(text: str) -> None:
    assert recognize_keyword(text) == Keyword.STOP


# ── Saying more ───────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "STOP it",
        "ST OP",
        "NONSTOP",
        "non-stop",
        "S\nTOP",
        "yes please",
        "helper",
        "STOP" * 50,
        "Stop by at noon?",
        "stop sign is broken",
        "I will cancel the order",
        "The end",
        "don't stop",
        "don’t cancel",
        "please",
        "🛑",
        "stop 5",
        "cancel my appointment",
        "end of the month",
        "bus stop",
        "please stop by",
        "STOP2END",
        "cancel #12",
        "stop start",
        "unsubscribed",
        "Can you stop by?",
        "all",
        "me",
        "out",
        "opt",
        "to opt out",
        "halt",
    ],
)
def test_message_with_more_words_is_no_keyword(text: str) -> None:
    assert recognize_keyword(text) is None


WORDS = st.sampled_from(
    [
        "by",
        "the",
        "order",
        "it",
        "my",
        "not",
        "now",
        "no",
        "yes",
        "7",
        "bus",
        "don't",
        "止",
        "стой",
        "ne",
    ]
)


@given(
    st.sampled_from([*CLOSING, *START, *HELPING]),
    st.lists(WORDS, max_size=4),
    st.lists(WORDS, max_size=4),
    DECORATION,
)
def test_sentence_with_another_word_is_no_keyword(
    keyword: str, before: list[str], after: list[str], mark: str
) -> None:
    assume(before or after)
    text = " ".join([*before, keyword, *after])
    assert recognize_keyword(f"{text} {mark}") is None
    assert recognize_keyword(f"{text.capitalize()}?") is None


@given(
    st.sampled_from(CLOSING), st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8)
)
def test_any_other_word_makes_it_a_sentence(keyword: str, other_source: str) -> None:
    assume(
        not spellings(other_source)
        & {
            form
            for phrase in (*CLOSING, *keywords.POLITE, "all", "me", "sms", "texts")
            for form in spellings(phrase)
        }
    )
    assume(keywords.fold_text(other_source))
    assert recognize_keyword(f"{keyword} {other_source}") is None
    assert recognize_keyword(f"{other_source} {keyword}") is None


# ── Opening is strict ─────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("keyword", START)
@pytest.mark.parametrize("typed", ["{}", " {} ", "{}.", "{}!", "“{}”", '"{}."', "{}\n"])
def test_opt_in_may_be_quoted_or_end_a_sentence(keyword: str, typed: str) -> None:
    assert recognize_keyword(typed.format(keyword.lower())) == Keyword.START


@pytest.mark.parametrize("keyword", START)
@pytest.mark.parametrize(
    "typed",
    [
        "{}?",
        "{} 🛑",
        "{} 👍",
        "{} please",
        "bitte {}",
        "{} {}",
        "no {}",
        "{}, stop",
        "stop {}",
        "-{}",
        "{} 1",
        "{} me",
        "({})",
        "~{}~",
        "{}/STOP",
        "{} :(",
    ],
)
def test_other_texts_are_no_opt_in(keyword: str, typed: str) -> None:
    assert recognize_keyword(typed.format(keyword, keyword)) != Keyword.START


@pytest.mark.parametrize("text", ["S T A R T", "Y.E.S.", "st-art", "un stop", "don't start"])
def test_near_opt_in_word_is_ignored(text: str) -> None:
    assert recognize_keyword(text) != Keyword.START


# ── Words of an admin ─────────────────────────────────────────────────────────────────────────────
def custom_words(*keywords: str) -> frozenset[str]:
    return frozenset().union(*map(spellings, keywords))


def test_custom_words_are_accepted_and_take_precedence() -> None:
    keywords = custom_words("Abmelden", "ПАРАР", "arrêt")
    assert (
        recognize_keyword("ABMELDEN", stop=keywords)
        == recognize_keyword("arret", stop=keywords)
        == recognize_keyword("парар", stop=keywords)
        == Keyword.STOP
    )
    assert recognize_keyword("INFO", stop=custom_words("info")) == Keyword.STOP


LANGUAGES = [
    "ABMELDEN",
    "STOPP",
    "no más",
    "Arrêt",
    "arrêtez de m'écrire",
    "退订",
    "取消订阅",
    "停止",
    "إلغاء",
    "הסר",
    "ΔΙΑΚΟΠΗ",
    "ยกเลิก",
    "बंद करो",
    "отписаться",
    "dur",
    "İPTAL",
    "ab-melden",
    "slut",
]


@given(st.sampled_from(LANGUAGES), DECORATION, DECORATION)
def test_words_of_any_language_are_recognized_with_any_decoration(
    keyword: str, before: str, after: str
) -> None:
    assert recognize_keyword(before + keyword + after, stop=custom_words(keyword)) == Keyword.STOP
    assert (
        recognize_keyword(f"{before}{keyword}{after} noch etwas", stop=custom_words(keyword))
        is None
    )


def test_custom_opt_in_is_matched_strictly() -> None:
    keywords = custom_words("Los geht's")
    assert recognize_keyword("los geht’s!", start=keywords) == Keyword.START
    assert recognize_keyword("los geht’s?", start=keywords) is None
    assert recognize_keyword("bitte los gehts", start=keywords) is None


# ── Whatever comes ────────────────────────────────────────────────────────────────────────────────
@given(st.text(max_size=200))
def test_any_text_has_one_result_in_both_normal_forms(text: str) -> None:
    result = recognize_keyword(text)
    for form in ("NFC", "NFD"):
        assert recognize_keyword(unicodedata.normalize(form, text)) == result


@given(st.text(max_size=40))
def test_opt_in_is_only_the_opt_in_word(text: str) -> None:
    if recognize_keyword(text) == Keyword.START:
        assert keywords.fold_text(text).replace(" ", "") in {
            form for keyword in START for form in spellings(keyword)
        }


def test_message_of_any_length_is_checked_quickly() -> None:
    assert recognize_keyword("stop " * 1000 + "now") is None
    assert recognize_keyword("x" * 1_000_000) is None
