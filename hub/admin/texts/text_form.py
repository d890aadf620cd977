"""The form of a message text, with a box for each plural form of its numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from wtforms import Form, HiddenField, SelectField, StringField, TextAreaField

from hub.core.vocabulary import Channel
from hub.lib import text_grammar
from hub.lib.plural_forms import plural_forms
from hub.lib.text_grammar import MAX_LENGTH, GrammarError, Placeholder
from hub.messaging.compose.text_checks import MAX_SUBJECT_LENGTH
from hub.messaging.compose.text_editing import MAX_NOTE_LENGTH
from hub.models import Connection, Template

OUTSIDE = {"form": "text-form"}  # fields that stand beside the form on the page


def build_form(
    template: Template,
    subject: str,
    text: str,
    entered: Mapping[str, str],
    samples: Mapping[str, str],
    connections: Sequence[Connection],
) -> Form:
    """Return the form of a text. `entered`: the values of its other fields."""
    fields: dict[str, Any] = {"revision": HiddenField()}
    if template.channel == Channel.EMAIL:
        fields["subject"] = StringField("Subject", render_kw={"maxlength": MAX_SUBJECT_LENGTH})
    fields["text"] = TextAreaField(
        "Text", render_kw={"rows": 8, "maxlength": MAX_LENGTH, "spellcheck": "true"}
    )
    fields |= _form_boxes(template.locale, text)
    fields["note"] = StringField(
        "Reason for the change",
        description="It is shown in the list of versions. Example: `Shorter, as Legal requested`.",
        render_kw={"maxlength": MAX_NOTE_LENGTH, "autocomplete": "off", "optional": True},
    )
    fields["sample"] = SelectField("Preview with", choices=dict(samples))
    if connections:
        fields["test_connection"] = SelectField(
            "Send a test over",
            choices={row.id: row.title for row in connections},
            render_kw=OUTSIDE,
        )
        fields["test_to"] = StringField(
            "Your address",
            description="Enter your mobile number with + and the country code, or your email"
            " address. A chat connection without an address posts to its team.",
            render_kw=OUTSIDE | {"maxlength": 320, "autocomplete": "off"},
        )
    form_class = type("TextForm", (Form,), fields)
    data = {**entered, "revision": entered.get("revision", str(template.revision))}
    form: Form = form_class(data={**data, "subject": subject, "text": text})
    return form


def _form_boxes(locale: str, text: str) -> dict[str, Any]:
    """Return a field for each plural form of each number in a text, and what it contained."""
    try:
        numbers = text_grammar.numbers_in(text_grammar.parse(text))
    except GrammarError:
        return {}
    expected = plural_forms(locale)
    fields: dict[str, Any] = {}
    for position, number in enumerate(numbers):
        for index, examples in enumerate(expected.examples):
            words = number.forms[index] if index < len(number.forms) else ""
            fields[f"form-{position}-{index}"] = _box(number, words, examples, index)
            fields[f"was-{position}-{index}"] = HiddenField(default=words)
    return fields


def _box(number: Placeholder, words: str, examples: str, index: int) -> StringField:
    name = number.name.replace("_", " ")
    legend = {} if index else {"legend": f"Forms of (({name}))"}
    help_ = "" if index else "Write # for the number. Each box is the form for its numbers."
    return StringField(
        f"For {examples}",
        default=words,
        description=help_,
        render_kw={**legend, "autocomplete": "off", "maxlength": MAX_LENGTH},
    )


def read_text(posted: Mapping[str, str]) -> str:
    """Return a posted text, with the plural forms that were changed in their boxes."""
    text = posted.get("text", "").replace("\r\n", "\n")
    changed: set[int] = set()
    boxes: dict[int, dict[int, str]] = {}
    for name, words in posted.items():
        match = re.fullmatch(r"form-(\d{1,4})-(\d)", name)
        if match is not None:
            position = int(match[1])
            boxes.setdefault(position, {})[int(match[2])] = words
            if words.strip() != posted.get(f"was-{match[1]}-{match[2]}", "").strip():
                changed.add(position)
    forms = {
        position: [boxes[position][index] for index in sorted(boxes[position])]
        for position in changed
    }
    try:
        return text_grammar.replace_forms(text, forms) if forms else text
    except GrammarError:
        return text
