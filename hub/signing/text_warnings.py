"""Warn about imported texts that can be saved, but may not be what their translator meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hub.core.vocabulary import Channel
from hub.lib import text_grammar
from hub.lib.po_files import Entry
from hub.lib.sms_characters import costly_characters
from hub.lib.text_grammar import GrammarError
from hub.messaging.compose.text_values import VALUES, key_of
from hub.signing.stored_texts import StoredText, Words


def find_warnings(
    own: StoredText | None,
    channel: str,
    locale: str,
    new: Words,
    source: Words | None,
    entries: Mapping[str, Entry],
    *,
    publish: bool,
) -> list[str]:
    """Return sentences about an imported text.

    `source`: the English text of today. `entries`: those of the file, by part of the text.
    """
    old_text = own.published.text if own and own.published else None
    warnings = list(_find_source_warnings(locale, new, old_text, source, entries))
    if channel == Channel.SMS:
        costly = [char for char in costly_characters(new.text) if char not in (old_text or "")]
        if costly:
            warnings.append(f"Characters that make an SMS cost more: {' '.join(costly)}")
    if own and own.draft and own.published and own.draft != new:
        warnings.append(f"The draft of {own.template.draft_by or 'Signpost'} is replaced.")
    if publish and any(entry.is_fuzzy for entry in entries.values()):
        warnings.append("The file marks it as fuzzy, so it is saved as a draft.")
    return warnings


def _find_source_warnings(
    locale: str,
    new: Words,
    old_text: str | None,
    source: Words | None,
    entries: Mapping[str, Entry],
) -> Iterator[str]:
    if source is None or locale.lower() == "en":
        return
    if any(entry.source != getattr(source, part) for part, entry in entries.items()):
        yield "The English text changed after the export. Check that the translation still fits."
    missing = _names(source.text) - _names(new.text)
    if old_text is not None:  # no warning about what the published text leaves out, too
        missing &= _names(old_text)
    if missing:
        shown = ", ".join(f"(({name}))" for name in sorted(missing))
        yield f"The English text contains {shown}, this text does not."


def _names(text: str) -> set[str]:
    try:
        found = {key_of(name) for name in text_grammar.parse(text).names}
    except GrammarError:
        return set()
    return {VALUES[key].name if key in VALUES else key.replace("_", " ") for key in found}
