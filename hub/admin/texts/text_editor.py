"""The editor of one text: what was entered, its errors, its preview, and a test message."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from flask import g
from sqlalchemy import select
from wtforms import Form, SelectField, StringField

from hub.admin.texts import preview, sample_values, text_form
from hub.admin.texts.stand_ins import TextFamily, channels_of
from hub.admin.texts.template_comparison import ComparedTemplate, compare_templates
from hub.admin.view.status_badges import channel_title
from hub.core.errors import Refused
from hub.core.vocabulary import Audience, Channel, ConnectionState
from hub.db.engine import db
from hub.lib import jinja_texts, sms_characters
from hub.lib.localized import LANGUAGE_CODE, format_language
from hub.lib.plural_forms import find_locale
from hub.messaging.compose import direct, render, text_checks, text_editing
from hub.models import Connection, Template, TemplateVersion, User
from hub.models.template import JINJA
from hub.signing import available_values
from hub.signing.shared_address_notes import ADDRESS_KINDS, SharedAddress


@dataclass
class TextEditor:
    """A text as it is edited."""

    template: Template
    subject: str
    text: str
    revision: int
    sample: str
    note: str = ""
    entered: Mapping[str, str] = field(default_factory=dict)
    sent_id: str = ""  # the test message
    is_draft: bool = False  # the stored draft is shown

    @classmethod
    def of_stored(cls, template: Template, sample: str = "") -> TextEditor:
        """Return the editor of the draft of a template, or of its published text."""
        subject = template.draft_subject
        text = template.draft_text
        if text is None:
            published = text_editing.list_versions(template.id)
            subject = published[0].subject if published else ""
            text = published[0].text if published else ""
            if published and published[0].syntax == JINJA:
                subject = jinja_texts.convert(subject)
                text = jinja_texts.convert(text)
        is_draft = template.draft_text is not None
        entered = {"sample": sample}
        if template.channel == Channel.EMAIL:
            entered["test_to"] = g.user.email
        editor = cls(template, subject, text, template.revision, sample, entered=entered)
        editor.is_draft = is_draft
        return editor

    @classmethod
    def of_posted(cls, template: Template, posted: Mapping[str, str]) -> TextEditor:
        """Return the editor of what was posted."""
        names = ("revision", "sample", "note", "test_connection", "test_to")
        return cls(
            template,
            posted.get("subject", "").strip(),
            text_form.read_text(posted),
            read_revision(posted.get("revision", "")),
            posted.get("sample", ""),
            posted.get("note", "").strip(),
            {name: posted[name] for name in names if name in posted},
        )

    # ── The form ──────────────────────────────────────────────────────────────────────────────────
    @cached_property
    def form(self) -> Form:
        """The form with what was entered."""
        return text_form.build_form(
            self.template,
            self.subject,
            self.text,
            self.entered,
            sample_values.list_choices(),
            self.test_connections,
        )

    @cached_property
    def test_connections(self) -> list[Connection]:
        """The enabled connections that send this text."""
        query = select(Connection).where(
            Connection.channel.in_(self.sending_channels),
            Connection.archived_at.is_(None),
            Connection.state == ConnectionState.ENABLED.value,
        )
        found = db.session.scalars(query.order_by(Connection.title)).all()
        return sorted(found, key=lambda row: row.channel != self.template.channel)

    def add_error(self, refusal: Refused) -> None:
        """Add the reason of a refusal to its field, or to the text."""
        name = refusal.field if refusal.field in self.form else "text"
        self.form[name].errors = [*self.form[name].errors, str(refusal)]

    @cached_property
    def errors(self) -> list[Refused]:
        """The errors of the text, for which it cannot be saved."""
        return [
            *text_checks.find_errors(
                self.subject,
                self.text,
                channel=self.template.channel,
                locale=self.template.locale,
                allowed={key: name for key, name, _ in self.available},
            ),
            *text_checks.find_note_errors(self.note),
        ]

    @cached_property
    def warnings(self) -> list[str]:
        """The probable mistakes of the text, although it can be saved."""
        template = self.template
        return list(
            text_checks.find_warnings(
                template.event_type, template.audience, template.channel, self.subject, self.text
            )
        )

    def find_errors(self) -> bool:
        """Add the errors of the text to its fields; return whether there are any."""
        for error in self.errors:
            self.add_error(error)
        return bool(self.errors)

    def accept_changes(self) -> None:
        """Use the current revision, so that the next change replaces the changes of others."""
        db.session.refresh(self.template)
        self.revision = self.template.revision
        self.entered = {**self.entered, "revision": str(self.revision)}

    def replace_costly_characters(self) -> None:
        """Replace the characters of the text that GSM 03.38 lacks."""
        self.text = sms_characters.replace_costly_characters(self.text)

    def send_test(self) -> None:
        """Send the text with the chosen values to the entered address, or add an error."""
        chosen = self.entered.get("test_connection", "")
        if self.preview.problem or chosen not in {row.id for row in self.test_connections}:
            problem = self.preview.problem or "Choose an enabled connection."
            self.add_error(Refused("no_test", problem, field="test_connection"))
            return
        try:
            self.sent_id = direct.send_message(
                connection_id=chosen,
                to=self.entered.get("test_to", ""),
                text=self.preview.text,
                subject=self.preview.subject,
            )
        except Refused as refusal:
            names = {"to": "test_to", "connection": "test_connection"}
            field_name = names.get(refusal.field, "text")
            self.add_error(Refused(refusal.code, str(refusal), field=field_name))

    # ── What the page shows ───────────────────────────────────────────────────────────────────────
    @cached_property
    def values(self) -> dict[str, Any]:
        """The chosen values; those that the event cannot have are missing."""
        allowed = {key for key, _, _ in self.available}
        values = sample_values.values_for(self.sample)
        if self.shared_addresses:  # the reader is one of the signers who are named in the note
            values["signer"] = self.shared_addresses[0].names[0]
        return {key: value for key, value in values.items() if key in allowed}

    @cached_property
    def shared_addresses(self) -> list[SharedAddress]:
        """The addresses of the text's channel that several signers of the chosen request have."""
        kind = ADDRESS_KINDS.get(self.template.channel)
        if kind is None or self.template.audience not in (Audience.SIGNER, Audience.OTHERS):
            return []
        return sample_values.find_shared_addresses(self.sample, kind)

    @cached_property
    def preview(self) -> preview.Preview:
        """The text filled with the chosen values, or why it cannot be filled."""
        for error in self.errors:
            if error.code in (text_checks.BAD_GRAMMAR, text_checks.BAD_VALUE):
                return preview.Preview(problem=f"Correct the text to see its preview. {error}")
        return preview.build_preview(
            self.template,
            self.subject,
            self.text,
            self.values,
            is_shared=bool(self.shared_addresses),
        )

    @cached_property
    def templates(self) -> list[ComparedTemplate]:
        """The approved templates that are sent instead of the text."""
        return compare_templates(
            self.template, self.sending_channels, self.preview.long_text, self.values
        )

    @cached_property
    def available(self) -> list[tuple[str, str, str]]:
        """The values that the text can show: key, name and meaning."""
        template = self.template
        return available_values.list_values(
            template.event_type, template.audience, template.channel
        )

    @cached_property
    def family(self) -> TextFamily:
        """The texts of the same event and audience."""
        return TextFamily(self.template)

    @cached_property
    def sending_channels(self) -> list[str]:
        """The channels over which readers of the language get this text, once it is published."""
        template = self.template
        stands_in = [
            channel.value
            for channel in render.WRITTEN_CHANNELS
            if template.channel == Channel.SMS
            and self.family.find_text(channel, template.locale) in (template, None)
        ]
        return [template.channel, *stands_in]

    @property
    def can_withdraw(self) -> bool:
        """True for a text that an admin added, for which another one can stand in."""
        return text_editing.can_withdraw(self.template, self.versions)

    @cached_property
    def versions(self) -> Sequence[TemplateVersion]:
        """The versions, the published one first."""
        return text_editing.list_versions(self.template.id)

    @cached_property
    def authors(self) -> dict[str, str]:
        """The names of the authors of the versions, by user."""
        return author_names(self.versions)

    @property
    def is_jinja(self) -> bool:
        """True if the published version is a text of 0.2.0."""
        return bool(self.versions) and self.versions[0].syntax == JINJA


def author_names(versions: Sequence[TemplateVersion]) -> dict[str, str]:
    """Return the names of the authors of versions, by user ID."""
    ids = {version.author_id for version in versions if version.author_id}
    rows = db.session.execute(select(User.id, User.name).where(User.id.in_(ids)))
    return {row[0]: row[1] for row in rows}


def read_revision(posted: str) -> int:
    """Return a posted revision, or -1, which no template has."""
    return int(posted) if re.fullmatch(r"[0-9]{1,9}", posted) else -1


# ── Other languages ──────────────────────────────────────────────────────────────────────────────
def build_add_form(template: Template, entered: Mapping[str, str]) -> Form:
    """Return the form that adds a text in another language or channel."""
    fields: dict[str, Any] = {
        "channel": SelectField(
            "Channel",
            choices={name.value: channel_title(name) for name in channels_of(template.audience)},
        ),
        "locale": StringField(
            "Language",
            description="Enter a language code, such as `it` or `es-MX`.",
            render_kw={"mono": True, "maxlength": 20, "autocomplete": "off"},
        ),
    }
    defaults = {"channel": template.channel}
    form: Form = type("AddTextForm", (Form,), fields)(data={**defaults, **entered})
    return form


def add_text(template: Template, form: Form) -> str:
    """Add the text that was entered, as a copy of another one. Raises Refused."""
    locale = (form["locale"].data or "").strip()
    if not LANGUAGE_CODE.fullmatch(locale):
        raise Refused(
            "bad_locale", "Enter a language code such as en, de or pt-BR.", field="locale"
        )
    if find_locale(locale) is None:
        problem = "This language is unknown. Enter a language code such as en, de or pt-BR."
        raise Refused("bad_locale", problem, field="locale")
    channel = form["channel"].data
    if channel not in channels_of(template.audience):
        raise Refused("bad_channel", "Choose a channel.", field="channel")
    editor = TextEditor.of_stored(template)
    subject = editor.subject if channel == Channel.EMAIL else ""
    return text_editing.add_text(template, channel, format_language(locale), subject, editor.text)
