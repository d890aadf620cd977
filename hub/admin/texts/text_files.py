"""Export message texts for translators, and import their files after a preview."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import Response, abort, flash, redirect, render_template, request, url_for
from wtforms import FileField, Form, SelectField

from hub.admin.auth.guard import accepts_body, admin, require_role
from hub.admin.texts.text_comparison import Change, WordComparison
from hub.admin.view.filters import plural
from hub.admin.view.forms import add_error
from hub.admin.view.status_badges import channel_title
from hub.admin.view.template_titles import template_title
from hub.core.errors import Conflict, Refused
from hub.core.vocabulary import Role
from hub.lib import po_files
from hub.lib.localized import LANGUAGE_CODE, language_name
from hub.signing import text_export, text_import
from hub.signing.text_import import ImportPlan, TextChange

MAX_CARRIED = 400_000  # bytes of a file that the preview carries, within the limit of a form
MAX_PROBLEMS = 100  # that the page lists
DRAFTS = "drafts"
PUBLISH = "publish"


class TextFileForm(Form):
    """Choose a translator's file, and whether its texts become drafts or are published."""

    file = FileField(
        "File",
        description="Choose a PO file, or a ZIP archive of PO files.",
        render_kw={"accept": ".po,.zip"},
    )
    save_as = SelectField(
        "Save as",
        choices={DRAFTS: "Drafts, to publish later", PUBLISH: "New versions, used immediately"},
    )


@dataclass(frozen=True)
class ShownChange:
    """A change as the preview shows it, with the words that differ."""

    change: TextChange
    title: str
    channel: str
    language: str
    subject: Sequence[Change]
    text: Sequence[Change]


@admin.get("/templates/files")
@require_role(Role.ADMIN)
def text_files() -> Any:
    """Show the exports, and the form for a file."""
    return _page(TextFileForm())


@admin.get("/templates/files/export")
@require_role(Role.ADMIN)
def export_texts() -> Response:
    """Return the texts of one language as a PO file, or all of them as a ZIP archive."""
    language = request.args.get("language", "").strip()
    if not language:
        return _download(text_export.export_all(), "application/zip", "texts.zip")
    if not LANGUAGE_CODE.fullmatch(language):
        abort(404)
    content = text_export.export_language(language).encode()
    return _download(content, "text/x-gettext-translation", text_export.file_name(language))


def _download(content: bytes, content_type: str, name: str) -> Response:
    response = Response(content, content_type=content_type)
    response.headers.set("Content-Disposition", "attachment", filename=name)
    return response


@admin.post("/templates/files")
@require_role(Role.ADMIN)
@accepts_body(po_files.MAX_SIZE + 64 * 1024)
def preview_text_files() -> Any:
    """Show what a file would change. It stores nothing."""
    form = TextFileForm(request.form)
    uploaded = request.files.get("file")
    try:
        if uploaded is None or not uploaded.filename:
            raise Refused("no_file", "Choose a file.", field="file")
        content = uploaded.read()
        return _preview(form, content, uploaded.filename)
    except Refused as refusal:
        add_error(form, refusal)
        return _page(form), 422


@admin.post("/templates/files/import")
@require_role(Role.ADMIN)
@accepts_body(MAX_CARRIED + 64 * 1024)
def import_text_files() -> Any:
    """Save the texts of a file that was shown before."""
    form = TextFileForm(request.form)
    name = request.form.get("name", "")
    try:
        content = _unpack_carried(request.form.get("content", ""))
        plan = _plan(form, content, name)
    except Refused as refusal:
        add_error(form, refusal)
        return _page(form), 422
    try:
        text_import.apply_import(plan, request.form.get("fingerprint", ""))
    except Conflict as conflict:
        flash(str(conflict), "bad")
        return _preview(form, content, name), 409
    flash(_summarize(plan), "good")
    return redirect(url_for("admin.templates"), 303)


def _plan(form: TextFileForm, content: bytes, name: str) -> ImportPlan:
    files = po_files.read_files(content, name)
    return text_import.plan_import(files, publish=form.save_as.data == PUBLISH)


def _preview(form: TextFileForm, content: bytes, name: str) -> Any:
    plan = _plan(form, content, name)
    return _page(form, plan, carried=_pack_carried(content), name=name)


def _page(
    form: TextFileForm, plan: ImportPlan | None = None, carried: str = "", name: str = ""
) -> str:
    comparison = WordComparison()
    languages = text_export.list_languages()
    return render_template(
        "text_files.html",
        form=form,
        languages=[(code, language_name(code)) for code in languages],
        plan=plan,
        changes=[_show(change, comparison) for change in plan.changes] if plan else [],
        max_problems=MAX_PROBLEMS,
        carried=carried,
        name=name,
    )


def _show(change: TextChange, comparison: WordComparison) -> ShownChange:
    old_subject, old_text = change.old or ("", "")
    return ShownChange(
        change,
        template_title(change.origin),
        channel_title(change.channel),
        language_name(change.locale),
        comparison.compare(old_subject, change.new.subject),
        comparison.compare(old_text, change.new.text),
    )


def _summarize(plan: ImportPlan) -> str:
    drafts = sum(change.as_draft for change in plan.changes)
    published = len(plan.changes) - drafts
    parts = []
    if published:
        parts.append(f"{plural(published, 'text')} published.")
    if drafts:
        parts.append(f"{plural(drafts, 'draft')} saved.")
    return " ".join(parts)


def _pack_carried(content: bytes) -> str:
    packed = base64.b64encode(zlib.compress(content)).decode()
    if len(packed) > MAX_CARRIED:
        raise Refused(
            "too_large", "The file is too large. Import each language on its own.", field="file"
        )
    return packed


def _unpack_carried(carried: str) -> bytes:
    try:
        packed = base64.b64decode(carried, validate=True)
        content = zlib.decompressobj().decompress(packed, po_files.MAX_SIZE + 1)
    except (ValueError, zlib.error):
        raise Refused("no_file", "Choose the file again.", field="file") from None
    return content
