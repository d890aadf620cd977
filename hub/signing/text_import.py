"""Import message texts from PO files: plan all changes first, then save them together."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from hub.core.errors import Conflict
from hub.core.vocabulary import TEXT_CHANNELS, Audience, Channel
from hub.db.store import transaction
from hub.lib.localized import format_language
from hub.lib.po_files import Entry, PoFile
from hub.messaging.compose import text_checks, text_editing
from hub.models import Template
from hub.shared import audit
from hub.signing.available_values import value_names
from hub.signing.stored_texts import StoredText, Words, load_texts, text_key
from hub.signing.text_export import SUBJECT, TEXT, Texts, find_source, parts_of
from hub.signing.text_warnings import find_warnings

_CONTEXT = re.compile(r"([a-z0-9_]+)/([a-z]+)/([a-z]+)")
FIRST_REVISION = 1  # of a text that was just added


@dataclass(frozen=True)
class TextChange:
    """A text that an import changes or adds."""

    template_id: str  # empty: the text does not exist yet
    revision: int  # of the text that the plan was made for
    origin: Template  # a text of the same event and audience
    channel: str
    locale: str
    old: Words | None
    new: Words
    as_draft: bool
    file: str
    line: int
    warnings: Sequence[str] = ()

    @property
    def title(self) -> str:
        """The name of the text in reports."""
        return f"{self.origin.name} ({self.channel}, {self.locale})"


@dataclass(frozen=True)
class ImportProblem:
    """An entry that is not imported, and how to fix it."""

    file: str
    line: int
    context: str
    reason: str


@dataclass
class ImportPlan:
    """The changes of an import, before they are saved."""

    publish: bool
    files: list[str] = field(default_factory=list)
    changes: list[TextChange] = field(default_factory=list)
    problems: list[ImportProblem] = field(default_factory=list)
    unchanged: int = 0
    untranslated: int = 0

    @property
    def fingerprint(self) -> str:
        """Equal for plans that change the same texts in the same way."""
        values = [
            [
                change.template_id,
                change.revision,
                change.title,
                *change.new,
                change.as_draft,
            ]
            for change in self.changes
        ]
        return hashlib.sha256(json.dumps(values).encode()).hexdigest()


@dataclass(frozen=True)
class _Found:
    """One entry of a file."""

    file: PoFile
    entry: Entry

    def problem(self, reason: str) -> ImportProblem:
        return ImportProblem(self.file.name, self.entry.line, self.entry.context, reason)


# ── Planning ──────────────────────────────────────────────────────────────────────────────────────
def plan_import(files: Sequence[PoFile], *, publish: bool) -> ImportPlan:
    """Return what importing PO files would change. It stores nothing.

    `publish`: texts become versions, except fuzzy ones. Otherwise, they become drafts.
    """
    plan = ImportPlan(publish, [file.name for file in files])
    texts = load_texts()
    origins = {text.template.name: text.template for text in texts.values()}
    for key, parts in _group_entries(files, origins, plan.problems).items():
        name, channel, _ = key
        translated = {part: item for part, item in parts.items() if item.entry.translation.strip()}
        if not translated:
            plan.untranslated += 1
            continue
        locale = format_language(next(iter(translated.values())).file.language)
        _plan_text(plan, texts, texts.get(key), origins[name], channel, locale, translated)
    plan.problems.sort(key=lambda problem: (plan.files.index(problem.file), problem.line))
    return plan


def _group_entries(
    files: Sequence[PoFile], origins: dict[str, Template], problems: list[ImportProblem]
) -> dict[tuple[str, str, str], dict[str, _Found]]:
    """Return the entries of each text by part, and add the problems of other entries."""
    grouped: dict[tuple[str, str, str], dict[str, _Found]] = {}
    for file in files:
        for entry in file.entries:
            found = _Found(file, entry)
            match = _CONTEXT.fullmatch(entry.context)
            if match is None or not _is_known(match, origins):
                reason = (
                    "There is no text with this msgctxt. Keep it as it was exported, or delete the"
                    " entry."
                )
                problems.append(found.problem(reason))
                continue
            parts = grouped.setdefault(text_key(match[1], match[2], file.language), {})
            if (first := parts.get(match[3])) is not None:
                where = f"line {first.entry.line}"
                if first.file is not file:
                    where = f"{first.file.name}, {where}"
                reason = f"This text appears twice, first in {where}. Delete one of the entries."
                problems.append(found.problem(reason))
                continue
            parts[match[3]] = found
    return grouped


def _is_known(match: re.Match[str], origins: dict[str, Template]) -> bool:
    name, channel, part = match.groups()
    if name not in origins:
        return False
    channels = (Channel.CHAT,) if origins[name].audience == Audience.TEAM else TEXT_CHANNELS
    return channel in channels and part in parts_of(channel)


def _plan_text(
    plan: ImportPlan,
    texts: Texts,
    own: StoredText | None,
    origin: Template,
    channel: str,
    locale: str,
    translated: dict[str, _Found],
) -> None:
    """Add the change of one text to a plan, or its problems."""
    old = (own.published or own.draft) if own else None
    first = next(iter(translated.values()))
    new = Words(
        _choose_words(SUBJECT, translated, old).strip(), _choose_words(TEXT, translated, old)
    )
    as_draft = not plan.publish or any(item.entry.is_fuzzy for item in translated.values())
    if _is_unchanged(own, new, as_draft=as_draft):
        plan.unchanged += 1
        return
    problems = list(_find_problems(origin, channel, locale, new, translated))
    if problems:
        plan.problems += problems
        return
    entries = {part: item.entry for part, item in translated.items()}
    source = find_source(origin.name, channel, texts)
    change = TextChange(
        own.template.id if own else "",
        own.template.revision if own else FIRST_REVISION,
        origin,
        channel,
        locale,
        old,
        new,
        as_draft,
        first.file.name,
        first.entry.line,
        find_warnings(own, channel, locale, new, source, entries, publish=plan.publish),
    )
    plan.changes.append(change)


def _choose_words(part: str, translated: dict[str, _Found], old: Words | None) -> str:
    if part in translated:
        return translated[part].entry.translation
    return str(getattr(old, part, ""))


def _is_unchanged(own: StoredText | None, new: Words, *, as_draft: bool) -> bool:
    if own is None:
        return False
    stored = (own.published, own.draft) if as_draft else (own.published,)
    return any(words is not None and _normalize(words) == new for words in stored)


def _normalize(words: Words) -> Words:
    return Words(words.subject.strip(), words.text.replace("\r\n", "\n"))


def _find_problems(
    origin: Template, channel: str, locale: str, new: Words, translated: dict[str, _Found]
) -> Iterator[ImportProblem]:
    errors = text_checks.find_errors(
        new.subject,
        new.text,
        channel=channel,
        locale=locale,
        allowed=value_names(origin.event_type, origin.audience),
    )
    first = next(iter(translated.values()))
    for error in errors:
        found = translated.get(error.field or TEXT)
        if found is None:
            part = "subject" if error.field == SUBJECT else "text"
            yield first.problem(f"The {part} of this email: {error}")
        else:
            yield found.problem(str(error))


# ── Saving ────────────────────────────────────────────────────────────────────────────────────────
@transaction
def apply_import(plan: ImportPlan, fingerprint: str) -> None:
    """Save all changes of a plan, or none of them.

    `fingerprint`: of the plan that was shown. Raises Conflict if it differs, or if a text changed
    since the plan was made.
    """
    if plan.fingerprint != fingerprint:
        reason = "Some texts changed after the preview. Nothing was imported. Check it again."
        raise Conflict("changed_meanwhile", reason)
    drafts = sum(change.as_draft for change in plan.changes)
    audit.record(
        "text.imported",
        "text",
        ", ".join(plan.files)[:200],
        published=len(plan.changes) - drafts,
        drafts=drafts,
        refused=len(plan.problems),
    )
    for change in plan.changes:
        _save(change)


def _save(change: TextChange) -> None:
    template_id = change.template_id
    if not template_id:
        template_id = text_editing.add_text(
            change.origin, change.channel, change.locale, *change.new
        )
    elif change.as_draft:
        text_editing.save_draft(template_id, change.revision, *change.new)
    if not change.as_draft:
        note = f"Imported from {change.file}" if change.file else "Imported"
        text_editing.publish(template_id, change.revision, *change.new, note)
