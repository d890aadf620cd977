"""The answers to a click of a button, in the language of the person who clicked it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from hub.lib.plural_forms import language_of

ENGLISH = "en"


def click_answer(kind: str, *locales: str) -> str:
    """Return an answer in the first of the languages that has it, or in English.

    `kind`: `received`, or `foreign` if none of the buttons belongs to Signpost.
    """
    known = _answers()
    language = next((code for code in map(language_of, locales) if code in known), ENGLISH)
    return known[language][kind]


@cache
def _answers() -> Mapping[str, Mapping[str, str]]:
    return tomllib.loads(files(__package__).joinpath("click_answers.toml").read_text("utf-8"))
