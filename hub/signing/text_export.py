"""Export message texts as PO files, which programs of translators read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from hub.core import __version__
from hub.core.vocabulary import Channel
from hub.db.types import now
from hub.lib import text_grammar
from hub.lib.localized import format_language
from hub.lib.plural_forms import plural_forms
from hub.lib.po_files import Entry, PoFile, pack, write_po
from hub.lib.text_grammar import GrammarError
from hub.messaging.compose.render import SHIPPED_LOCALE
from hub.models import Template
from hub.signing.available_values import value_names
from hub.signing.stored_texts import StoredText, Words, load_texts, text_key

Texts = Mapping[tuple[str, str, str], StoredText]
SUBJECT = "subject"
TEXT = "text"


def list_languages() -> list[str]:
    """Return the languages of all texts, English first."""
    found = {text.template.locale for text in load_texts().values()}
    return sorted(found, key=lambda locale: (locale != SHIPPED_LOCALE, locale))


def export_language(language: str) -> str:
    """Return the texts in one language as a PO file, with the English texts as their source.

    A text that does not exist in the language has an empty translation.
    """
    return _write(language, load_texts())


def export_all() -> bytes:
    """Return a ZIP archive with a PO file for each language."""
    texts = load_texts()
    return pack([(file_name(locale), _write(locale, texts)) for locale in list_languages()])


def file_name(language: str) -> str:
    """Return the name of the file of a language, such as `pt-BR.po`."""
    return f"{format_language(language)}.po"


def _write(language: str, texts: Texts) -> str:
    entries = list(_list_entries(language, texts))
    return write_po(
        PoFile(format_language(language), entries),
        project="Signpost",
        version=__version__,
        created=now(),
    )


def _list_entries(language: str, texts: Texts) -> Iterator[Entry]:
    done = set()
    for text in texts.values():
        template = text.template
        name_and_channel = (template.name, template.channel)
        own = texts.get(text_key(*name_and_channel, language))
        if name_and_channel in done or (own is None and template.locale != SHIPPED_LOCALE):
            continue
        done.add(name_and_channel)
        yield from _text_entries(template, language, find_source(*name_and_channel, texts), own)


def _text_entries(
    template: Template, language: str, source: Words | None, own: StoredText | None
) -> Iterator[Entry]:
    words = (own.published or own.draft) if own else None
    is_fuzzy = own is not None and words is not None and own.published is None
    comments = _describe(template, language, source or words)
    for part in parts_of(template.channel):
        context = f"{template.name}/{template.channel}/{part}"
        translation = getattr(words, part, "")
        yield Entry(
            context,
            getattr(source, part, "") or translation or context,
            translation,
            is_fuzzy,
            comments=comments,
        )


def parts_of(channel: str) -> Sequence[str]:
    """Return the parts of a text over a channel: emails have a subject."""
    return (SUBJECT, TEXT) if channel == Channel.EMAIL else (TEXT,)


def find_source(name: str, channel: str, texts: Texts) -> Words | None:
    """Return the English text that is translated: of the same channel, else that of SMS."""
    for candidate in (channel, Channel.SMS.value):
        found = texts.get(text_key(name, candidate, SHIPPED_LOCALE))
        if found is not None and (found.published or found.draft):
            return found.published or found.draft
    return None


def _describe(template: Template, language: str, words: Words | None) -> list[str]:
    """Return the comments that a translator sees beside a text."""
    channel = Channel(template.channel).title if template.channel in {*Channel} else ""
    names = value_names(template.event_type, template.audience).values()
    comments = [
        f"Event {template.event_type}, recipients: {template.audience}, channel: {channel}",
        f"Values: {', '.join(f'(({name}))' for name in names)}",
    ]
    if words is not None and _has_numbers(words):
        forms = " | ".join(plural_forms(language).examples)
        comments.append(f"Forms of a number in this language: {forms}")
    return comments


def _has_numbers(words: Words) -> bool:
    try:
        return any(text_grammar.numbers_in(text_grammar.parse(source)) for source in words)
    except GrammarError:
        return False
