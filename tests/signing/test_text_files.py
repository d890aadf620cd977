"""Texts as files: a round trip changes nothing, and changes are planned before they are saved."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from hub.core.errors import Conflict, Refused
from hub.db.engine import db
from hub.lib import po_files
from hub.lib.text import readable
from hub.messaging.compose import render, text_checks, text_editing
from hub.models import AuditEntry, Template
from hub.signing import text_export, text_import
from hub.signing.available_values import value_names
from hub.signing.text_import import ImportPlan

SENT = "request_sent/sms/text"


@pytest.fixture
def app(app: Flask) -> Iterator[Flask]:
    with app.app_context():
        yield app


def find(name: str, channel: str, locale: str) -> Template:
    db.session.expire_all()
    query = select(Template).where(
        Template.name == name, Template.channel == channel, Template.locale == locale
    )
    return db.session.scalars(query).one()


def plan(content: str | bytes, name: str = "pl.po", *, publish: bool = False) -> ImportPlan:
    data = content.encode() if isinstance(content, str) else content
    return text_import.plan_import(po_files.read_files(data, name), publish=publish)


def apply(content: str | bytes, name: str = "pl.po", *, publish: bool = False) -> ImportPlan:
    planned = plan(content, name, publish=publish)
    text_import.apply_import(planned, planned.fingerprint)
    db.session.expire_all()
    return planned


def po(language: str, *entries: tuple[str, ...], fuzzy: bool = False) -> str:
    """Return a PO file. `entries`: context, translation and, if it matters, the source."""
    blocks = [f'msgid ""\nmsgstr ""\n"Language: {language}\\n"\n']
    for context, translation, *source in entries:
        escaped = translation.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        blocks.append(
            ("#, fuzzy\n" if fuzzy else "")
            + f'msgctxt "{context}"\nmsgid "{source[0] if source else "x"}"\nmsgstr "{escaped}"\n'
        )
    return "\n".join(blocks)


def reasons(planned: ImportPlan) -> str:
    return "\n".join(f"{item.line}: {item.reason}" for item in planned.problems)


# ── Round trip ────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("publish", [False, True])
def test_all_shipped_texts_survive_a_round_trip(app: Flask, publish: bool) -> None:
    planned = plan(text_export.export_all(), "texts.zip", publish=publish)
    assert (planned.changes, planned.problems, planned.untranslated) == ([], [], 0)
    assert planned.unchanged == len(db.session.scalars(select(Template.id)).all())


MARKS = ("", "((title))", "[[ by ((sender))]]", "((missing: # a | # b))", "\n\n", "\\n")
words = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=60)
texts_of_admins = st.builds(
    "{}{}{}".format,
    words,
    st.sampled_from(
        ["", "((title))", "[[ by ((sender))]]", "((missing: # a | # b))", "\n\n", "\\n"]
    ),
    words,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=texts_of_admins, subject=words, published=st.booleans(), publish=st.booleans())
def test_any_text_that_can_be_saved_survives_a_round_trip(
    app: Flask, text: str, subject: str, published: bool, publish: bool
) -> None:
    template = find("request_signed_others", "email", "en")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    subject = subject.strip()
    errors = text_checks.find_errors(
        subject,
        text,
        channel="email",
        locale="en",
        allowed=value_names(template.event_type, template.audience),
    )
    if list(errors):
        return
    if published:
        text_editing.publish(template.id, template.revision, subject, text)
    else:
        text_editing.save_draft(template.id, template.revision, subject, text)
    for language in ("en", "de"):
        planned = plan(text_export.export_language(language), publish=publish)
        assert (planned.changes, planned.problems) == ([], [])


def test_draft_and_stopped_text_survive_a_round_trip(app: Flask) -> None:
    origin = find("request_sent", "sms", "en")
    for locale in ("it", "cs"):
        text_editing.add_text(origin, "chat", locale, "", "Solo ((title))")
    stopped = find("request_sent", "chat", "cs")
    text_editing.publish(stopped.id, stopped.revision, "", "Jen ((title))")
    stopped = find("request_sent", "chat", "cs")
    text_editing.withdraw(stopped.id, stopped.revision)
    for publish in (False, True):
        for language in ("it", "cs"):
            planned = plan(text_export.export_language(language), publish=publish)
            assert (planned.changes, planned.problems) == ([], [])
    assert "#, fuzzy" in text_export.export_language("it")
    assert "Jen" not in text_export.export_language("cs")


def test_new_language_is_translated_from_an_empty_file(app: Flask) -> None:
    exported = text_export.export_language("it")
    planned = plan(exported)
    assert (planned.changes, planned.unchanged) == ([], 0)
    assert planned.untranslated == len(find_english())
    source = '"Your signature on \\"((title))\\" has been recorded."\nmsgstr ""'
    translated = exported.replace(source, source[:-1] + 'Firma registrata: ((title))"')
    assert translated != exported
    apply(translated, publish=True)
    assert render.render("request_signed_actor", "sms", "it", {"title": "NDA"}).text == (
        "Firma registrata: NDA"
    )


def find_english() -> list[str]:
    return list(db.session.scalars(select(Template.id).where(Template.locale == "en")))


# ── Saving ────────────────────────────────────────────────────────────────────────────────────────
def test_texts_become_drafts_unless_they_are_published(app: Flask) -> None:
    before = text_editing.list_versions(find("request_sent", "sms", "pl").id)
    apply(po("pl", (SENT, "Podpisz: ((title))[[: ((link))]]")))
    template = find("request_sent", "sms", "pl")
    assert template.draft_text == "Podpisz: ((title))[[: ((link))]]"
    assert len(text_editing.list_versions(template.id)) == len(before)
    planned = apply(po("pl", (SENT, "Podpisz: ((title))[[: ((link))]]")), publish=True)
    version = text_editing.list_versions(template.id)[0]
    assert (version.number, version.note) == (len(before) + 1, "Imported from pl.po")
    assert planned.changes[0].as_draft is False
    assert find("request_sent", "sms", "pl").draft_text is None


def test_fuzzy_text_is_a_draft_even_if_texts_are_published(app: Flask) -> None:
    planned = apply(po("pl", (SENT, "((title))[[ ((link))]]"), fuzzy=True), publish=True)
    assert planned.changes[0].as_draft
    assert any("fuzzy" in warning for warning in planned.changes[0].warnings)
    assert find("request_sent", "sms", "pl").draft_text == "((title))[[ ((link))]]"


def test_import_is_one_change_with_an_entry_of_its_own(app: Flask) -> None:
    apply(po("pl", (SENT, "((title))"), ("request_canceled/sms/text", "((title))")))
    entries = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    imported = [entry for entry in entries if entry.action == "text.imported"]
    assert [(entry.title, entry.detail["drafts"]) for entry in imported] == [("pl.po", 2)]
    assert [entry.action for entry in entries].count("text.draft_saved") == 2


def test_nothing_is_saved_if_a_text_changed_after_the_preview(app: Flask) -> None:
    content = po("pl", ("request_canceled/sms/text", "A ((title))"), (SENT, "B ((title))"))
    shown = plan(content)
    template = find("request_sent", "sms", "pl")
    text_editing.save_draft(template.id, template.revision, "", "Meanwhile ((title))")
    db.session.expire_all()
    with pytest.raises(Conflict):  # the page makes its plan again
        text_import.apply_import(plan(content), shown.fingerprint)
    with pytest.raises(Conflict):  # somebody else was faster than the transaction
        text_import.apply_import(shown, shown.fingerprint)
    assert find("request_canceled", "sms", "pl").draft_text is None
    assert find("request_sent", "sms", "pl").draft_text == "Meanwhile ((title))"


def test_part_of_an_email_leaves_the_other_part(app: Flask) -> None:
    old = text_editing.list_versions(find("request_sent", "email", "pl").id)[0]
    apply(po("pl", ("request_sent/email/subject", "Do podpisu: ((title))")), publish=True)
    new = text_editing.list_versions(find("request_sent", "email", "pl").id)[0]
    assert (new.subject, new.text) == ("Do podpisu: ((title))", old.text)


# ── Errors ────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ((SENT, "((titel))"), "((titel)) is not a value. Did you mean ((title))?"),
        ((SENT, "((download link))"), "This event has no ((download link))"),
        ((SENT, "((title"), "This value has no end."),
        ((SENT, "((missing: a | b))"), "needs 3"),
        ((SENT, "\u202egnol"), "invisible control characters"),
        ((SENT, "x" * 10_001), "Shorten it to 10,000."),
        (("request_sent/email/subject", "x" * 501), "at most 500 characters"),
        (("request_sent/fax/text", "x"), "There is no text with this msgctxt."),
        (("request_sent/sms/subject", "x"), "There is no text with this msgctxt."),
        (("team_request_sent/sms/text", "x"), "There is no text with this msgctxt."),
        (("nothing", "x"), "There is no text with this msgctxt."),
    ],
)
def test_text_with_an_error_is_refused_with_its_line(
    app: Flask, entry: tuple[str, str], reason: str
) -> None:
    planned = plan(po("pl", entry, ("request_canceled/sms/text", "((title))")))
    assert reason in reasons(planned)
    assert planned.problems[0].line == 6
    assert [change.origin.name for change in planned.changes] == ["request_canceled"]


@given(translation=st.text(st.sampled_from("()[]|:# titlemissng"), min_size=1, max_size=40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_text_that_the_editor_refuses_is_never_planned(app: Flask, translation: str) -> None:
    planned = plan(po("pl", (SENT, translation)))
    template = find("request_sent", "sms", "pl")
    allowed = value_names(template.event_type, template.audience)
    errors = list(
        text_checks.find_errors("", translation, channel="sms", locale="pl", allowed=allowed)
    )
    if translation.strip():
        assert bool(planned.changes) != bool(errors)
        assert bool(planned.problems) == bool(errors)


def test_repeated_text_is_refused(app: Flask) -> None:
    twice = po("pl", (SENT, "A ((title))", "one"), (SENT, "B ((title))", "two"))
    assert "This text appears twice, first in line 6." in reasons(plan(twice))
    packed = po_files.pack([("pl.po", po("pl", (SENT, "A"))), ("PL.po", po("PL", (SENT, "B")))])
    assert "first in pl.po, line 6" in reasons(plan(packed, "texts.zip"))


def test_new_email_needs_a_subject_and_a_text(app: Flask) -> None:
    planned = plan(po("it", ("request_sent/email/text", "Ciao")))
    assert "The subject of this email: Enter the subject" in reasons(planned)
    assert not planned.changes


# ── Warnings ──────────────────────────────────────────────────────────────────────────────────────
def warnings_of(content: str, *, publish: bool = False) -> str:
    (change,) = plan(content, publish=publish).changes
    return "\n".join(change.warnings)


def test_translation_without_a_value_of_the_english_text_is_warned_about(app: Flask) -> None:
    assert "The English text contains ((link)), ((sender)), this text does not." in warnings_of(
        po("de", (SENT, "((title))"))
    )


def test_value_that_the_published_translation_leaves_out_is_not_missed(app: Flask) -> None:
    assert "((recipient))" in text_export.export_language("pl")
    entry = ("request_sent/email/subject", "Nowy temat: ((title))")
    assert "does not" not in warnings_of(po("pl", entry))


def test_translation_of_an_older_text_is_warned_about(app: Flask) -> None:
    english = find("request_sent", "sms", "en")
    exported = text_export.export_language("de")
    text_editing.publish(english.id, english.revision, "", 'New: "((title))"[[: ((link))]]')
    db.session.expire_all()
    assert "request_sent/sms/text" in exported
    entry = re.search(r'msgctxt "request_sent/sms/text"\nmsgid .*\nmsgstr "', exported)
    assert entry is not None
    content = exported.replace(entry[0], f"{entry[0]}Neu ")
    assert "The English text changed after the export." in warnings_of(content)


def test_costly_characters_and_a_replaced_draft_are_warned_about(app: Flask) -> None:
    template = find("request_sent", "sms", "de")
    text_editing.save_draft(template.id, template.revision, "", "Entwurf ((title))")
    found = warnings_of(po("de", (SENT, "„((title))“")))
    assert "Characters that make an SMS cost more: „ “" in found
    assert "The draft of Signpost is replaced." in found


@pytest.mark.parametrize("language", ["pt_br", "PT-BR", "pt_BR"])
def test_language_is_found_in_any_spelling(app: Flask, language: str) -> None:
    (change,) = plan(po(language, (SENT, "((title))"))).changes
    assert change.template_id == find("request_sent", "sms", "pt-BR").id


def test_file_is_refused_before_anything_is_planned(app: Flask) -> None:
    with pytest.raises(Refused):
        plan(b"\xff\xfe")


def test_readable_texts_are_exported_in_utf_8(app: Flask) -> None:
    exported: Any = text_export.export_language("pl")
    assert readable(exported.replace("\t", "")) == exported
    assert "ż" in exported
    assert "Forms of a number in this language: 1 | 2, 3, 4, 22, 23… | 0, 5, 6, 7, 8…" in exported
