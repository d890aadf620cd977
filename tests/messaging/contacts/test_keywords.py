"""Keywords: which messages are one, in whatever way they are typed."""

from __future__ import annotations

import functools
import sys
import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hub.messaging.contacts import keywords
from hub.messaging.contacts.keywords import HELP, START, STOP, Keyword, keyword_of, spellings

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


def full_width(text: str) -> str:
    return "".join(chr(ord(one) + 0xFEE0) if "!" <= one <= "~" else one for one in text)


def circled(text: str) -> str:
    return "".join(chr(0x24B6 + ord(one) - ord("A")) if "A" <= one <= "Z" else one for one in text)


@functools.cache
def decoration() -> st.SearchStrategy[str]:
    """Return what people put around words: punctuation, symbols, emoji, blanks, control and
    invisible characters.
    """
    symbols = [
        one
        for one in map(chr, range(sys.maxunicode + 1))
        if unicodedata.category(one)[0] in DECORATING
        and unicodedata.category(one) not in ("Cs", "Co", "Cn")
        and not (
            unicodedata.category(one) == "So"
            and len(unicodedata.normalize("NFKC", one)) == 1
            and unicodedata.normalize("NFKC", one).isalpha()
        )
    ]
    return st.lists(
        st.one_of(st.sampled_from(symbols), st.sampled_from(EMOJI), st.sampled_from(" .!?\"'-")),
        max_size=6,
    ).map("".join)


def letter_case() -> st.SearchStrategy[object]:
    return st.sampled_from([str, str.lower, str.title, str.swapcase, full_width])


# ── Closing ───────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("word", "kind"), ALL)
@pytest.mark.parametrize(
    "typed",
    [
        str,
        str.lower,
        str.title,
        full_width,
        lambda word: f"  {word}\n",
        lambda word: f"\u200b{word}\ufeff",
        lambda word: f"“{word}”",
        lambda word: f"{word}.",
        lambda word: f"{word}!!",
        lambda word: "".join(one + "\u0301" for one in word),
    ],
)
def test_a_keyword_is_known_however_it_is_typed(word: str, kind: Keyword, typed: object) -> None:
    assert keyword_of(typed(word)) == kind  # type: ignore[operator]


@given(st.sampled_from(CLOSING), decoration(), decoration(), letter_case())
def test_an_opt_out_is_known_under_any_decoration(
    word: str, before: str, after: str, case: object
) -> None:
    assert keyword_of(before + case(word) + after) == Keyword.STOP  # type: ignore[operator]


@given(st.sampled_from(HELPING), decoration(), decoration(), letter_case())
def test_a_request_for_help_is_known_under_any_decoration(
    word: str, before: str, after: str, case: object
) -> None:
    assert keyword_of(before + case(word) + after) == Keyword.HELP  # type: ignore[operator]


@given(
    st.lists(st.sampled_from([*CLOSING, *keywords.POLITE]), min_size=1, max_size=6),
    st.sampled_from([" ", ", ", "! ", "\n", " 🙏 "]),
)
def test_opt_outs_may_be_repeated_and_polite(parts: list[str], between: str) -> None:
    assume(any(part in CLOSING for part in parts))
    assert keyword_of(between.join(parts)) == Keyword.STOP


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
def test_these_opt_out(text: str) -> None:
    assert keyword_of(text) == Keyword.STOP


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
def test_a_message_that_says_more_is_none(text: str) -> None:
    assert keyword_of(text) is None


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
    decoration(),
)
def test_a_sentence_with_another_word_is_none(
    word: str, before: list[str], after: list[str], mark: str
) -> None:
    assume(before or after)
    text = " ".join([*before, word, *after])
    assert keyword_of(f"{text} {mark}") is None
    assert keyword_of(f"{text.capitalize()}?") is None


@given(
    st.sampled_from(CLOSING), st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8)
)
def test_any_other_word_makes_it_a_sentence(word: str, other_source: str) -> None:
    assume(
        not spellings(other_source)
        & {
            form
            for phrase in (*CLOSING, *keywords.POLITE, "all", "me", "sms", "texts")
            for form in spellings(phrase)
        }
    )
    assume(keywords.fold_text(other_source))
    assert keyword_of(f"{word} {other_source}") is None
    assert keyword_of(f"{other_source} {word}") is None


# ── Opening is strict ─────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("word", START)
@pytest.mark.parametrize("typed", ["{}", " {} ", "{}.", "{}!", "“{}”", '"{}."', "{}\n"])
def test_an_opt_in_may_be_quoted_or_end_a_sentence(word: str, typed: str) -> None:
    assert keyword_of(typed.format(word.lower())) == Keyword.START


@pytest.mark.parametrize("word", START)
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
def test_nothing_else_is_an_opt_in(word: str, typed: str) -> None:
    assert keyword_of(typed.format(word, word)) != Keyword.START


@pytest.mark.parametrize("text", ["S T A R T", "Y.E.S.", "st-art", "un stop", "don't start"])
def test_near_opt_in_word_is_ignored(text: str) -> None:
    assert keyword_of(text) != Keyword.START


# ── Words of an admin ─────────────────────────────────────────────────────────────────────────────
def own(*words: str) -> frozenset[str]:
    return frozenset().union(*map(spellings, words))


def test_more_words_are_taken_and_come_first() -> None:
    words = own("Abmelden", "ПАРАР", "arrêt")
    assert (
        keyword_of("ABMELDEN", stop=words)
        == keyword_of("arret", stop=words)
        == keyword_of("парар", stop=words)
        == Keyword.STOP
    )
    assert keyword_of("INFO", stop=own("info")) == Keyword.STOP


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


@given(st.sampled_from(LANGUAGES), decoration(), decoration())
def test_words_of_any_language_are_known_under_any_decoration(
    word: str, before: str, after: str
) -> None:
    assert keyword_of(before + word + after, stop=own(word)) == Keyword.STOP
    assert keyword_of(f"{before}{word}{after} noch etwas", stop=own(word)) is None


def test_an_admins_opt_in_is_strict_too() -> None:
    words = own("Los geht's")
    assert keyword_of("los geht’s!", start=words) == Keyword.START
    assert keyword_of("los geht’s?", start=words) is None
    assert keyword_of("bitte los gehts", start=words) is None


# ── Whatever comes ────────────────────────────────────────────────────────────────────────────────
@given(st.text(max_size=200))
def test_any_text_is_judged_alike_in_either_normal_form(text: str) -> None:
    found = keyword_of(text)
    for form in ("NFC", "NFD"):
        assert keyword_of(unicodedata.normalize(form, text)) == found


@given(st.text(max_size=40))
def test_an_opt_in_is_an_opt_in_word_alone(text: str) -> None:
    if keyword_of(text) == Keyword.START:
        assert keywords.fold_text(text).replace(" ", "") in {
            form for word in START for form in spellings(word)
        }


def test_a_message_of_any_length_is_read_quickly() -> None:
    assert keyword_of("stop " * 1000 + "now") is None
    assert keyword_of("x" * 1_000_000) is None
