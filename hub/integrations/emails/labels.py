"""The few texts of an email that no template contains, in several languages."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

ENGLISH = "en"
SAME_LABELS = {"no": "nb", "nn": "nb"}


@dataclass(frozen=True)
class Labels:
    """The labels of an email in one language."""

    sign: str  # the button of a message that asks to sign
    download: str  # the button of a complete document
    link_help: str
    support: str
    unsubscribe: str
    from_sender: str  # a subject, with {name}


def labels_of(locale: str) -> Labels:
    """Return the labels in a language such as `pt-BR`, or those in English."""
    language = locale.replace("_", "-").partition("-")[0].lower()
    return _labels().get(SAME_LABELS.get(language, language), _labels()[ENGLISH])


def button_text(text: str, locale: str) -> str:
    """Return the text of a button: Signpost's own English texts in the language of the message."""
    english = _labels()[ENGLISH]
    labels = labels_of(locale)
    return {english.sign: labels.sign, english.download: labels.download}.get(text, text)


@cache
def _labels() -> dict[str, Labels]:
    text = files(__package__).joinpath("labels.toml").read_text("utf-8")
    return {language: Labels(**labels) for language, labels in tomllib.loads(text).items()}
