"""Show, edit, publish and restore the message texts."""

from __future__ import annotations

from typing import Any

from flask import Response, abort, flash, make_response, redirect, render_template, request, url_for
from wtforms import Form

from hub.accounts.rate_limits import SEND
from hub.admin.auth.guard import admin, has_role, reports_control_characters, require_role
from hub.admin.auth.page_rate_limits import rate_limit
from hub.admin.settings.branding import email_preview
from hub.admin.texts import text_editor
from hub.admin.texts.text_comparison import compare_words
from hub.admin.texts.text_editor import TextEditor
from hub.admin.view.status_badges import channel_title
from hub.admin.view.template_titles import template_title
from hub.core.errors import Conflict, NotFound, Refused
from hub.core.vocabulary import Channel, Role
from hub.lib.localized import language_name
from hub.lib.request_checks import POLICY
from hub.messaging.compose import text_editing
from hub.models import Template, TemplateVersion
from hub.models.template import JINJA


def _find_template(template_id: str) -> Template:
    try:
        return text_editing.find_template(template_id)
    except NotFound:
        abort(404)


def _is_test_requested() -> bool:
    return request.form.get("do") == "test"


@admin.get("/templates/texts/<template_id>")
@require_role(Role.VIEWER)
def text(template_id: str) -> Any:
    """Show a text with its preview and versions."""
    template = _find_template(template_id)
    return _page(TextEditor.of_stored(template, request.args.get("sample", "")))


@admin.post("/templates/texts/<template_id>")
@require_role(Role.ADMIN)
@reports_control_characters
@rate_limit(SEND, applies_when=_is_test_requested)
def edit_text(template_id: str) -> Any:
    """Publish, save, preview or send the posted text."""
    editor = TextEditor.of_posted(_find_template(template_id), request.form)
    action = request.form.get("do", "publish")
    if action == "preview":
        editor.find_errors()
        return _page(editor)
    if action == "replace":
        editor.replace_costly_characters()
        return _page(editor)
    if action == "discard":
        return _discard(editor)
    if action == "withdraw":
        return _withdraw(editor)
    if editor.find_errors():
        return _page(editor), 422
    if action == "test":
        editor.send_test()
        return _page(editor), 200 if editor.sent_id else 422
    return _save(editor, as_draft=action == "draft")


def _save(editor: TextEditor, *, as_draft: bool) -> Any:
    template = editor.template
    template_id = template.id
    try:
        if as_draft:
            text_editing.save_draft(template_id, editor.revision, editor.subject, editor.text)
            flash("Draft saved. The published text is still sent.", "good")
        else:
            number = text_editing.publish(
                template_id, editor.revision, editor.subject, editor.text, editor.note
            )
            flash(f"Version {number} published. New messages use it.", "good")
    except Conflict as conflict:
        return _show_conflict(editor, conflict)
    return redirect(url_for("admin.text", template_id=template_id), 303)


def _show_conflict(editor: TextEditor, conflict: Conflict) -> tuple[Response, int]:
    """Show the entered text with the current revision, so that saving again replaces the text."""
    editor.accept_changes()
    editor.add_error(conflict)
    return _page(editor), 409


def _discard(editor: TextEditor) -> Any:
    template_id = editor.template.id
    try:
        text_editing.discard_draft(template_id, editor.revision)
    except Conflict as conflict:
        return _show_conflict(editor, conflict)
    flash("Draft deleted.", "info")
    return redirect(url_for("admin.text", template_id=template_id), 303)


def _withdraw(editor: TextEditor) -> Any:
    template_id = editor.template.id
    try:
        exists = text_editing.withdraw(template_id, editor.revision)
    except Conflict as conflict:
        return _show_conflict(editor, conflict)
    if not exists:
        flash("Text deleted.", "info")
        return redirect(url_for("admin.templates"), 303)
    flash("This text is no longer sent. Publish it to use it again.", "info")
    return redirect(url_for("admin.text", template_id=template_id), 303)


def _page(editor: TextEditor) -> Response:
    template = editor.template
    page = render_template(
        "text.html",
        template=template,
        editor=editor,
        form=editor.form,
        preview=editor.preview,
        title=template_title(template),
        channel=channel_title(template.channel),
        language=language_name(template.locale),
        may_change=has_role(Role.ADMIN),
        has_email=template.channel == Channel.EMAIL and email_preview() is not None,
    )
    response = make_response(page)
    response.headers["Content-Security-Policy"] = f"{POLICY}; frame-src 'self'"
    return response


# ── Versions ──────────────────────────────────────────────────────────────────────────────────────
@admin.get("/templates/texts/<template_id>/versions/<number>")
@require_role(Role.VIEWER)
def text_version(template_id: str, number: str) -> Any:
    """Compare a version with the published one."""
    template = _find_template(template_id)
    version = _find_version(template_id, number)
    published = text_editing.list_versions(template.id)[0]
    return render_template(
        "text_version.html",
        template=template,
        version=version,
        published=published,
        title=template_title(template),
        language=language_name(template.locale),
        channel=channel_title(template.channel),
        authors=text_editor.author_names([version]),
        subject_changes=compare_words(version.subject, published.subject),
        text_changes=compare_words(version.text, published.text),
        may_restore=(
            has_role(Role.ADMIN) and version.number != published.number and version.syntax != JINJA
        ),
        is_jinja=version.syntax == JINJA,
    )


@admin.post("/templates/texts/<template_id>/versions/<number>")
@require_role(Role.ADMIN)
def restore_text(template_id: str, number: str) -> Any:
    """Publish an earlier version again, as a new version."""
    version_number = _find_version(template_id, number).number
    revision = text_editor.read_revision(request.form.get("revision", ""))
    try:
        restored = text_editing.restore(template_id, revision, version_number)
    except Conflict as conflict:
        flash(str(conflict), "bad")
        return redirect(url_for("admin.text_version", template_id=template_id, number=number), 303)
    flash(f"Version {number} published again, as version {restored}.", "good")
    return redirect(url_for("admin.text", template_id=template_id), 303)


def _find_version(template_id: str, number: str) -> TemplateVersion:
    _find_template(template_id)
    try:
        return text_editing.find_version(template_id, text_editor.read_revision(number))
    except NotFound:
        abort(404)


# ── Other languages ──────────────────────────────────────────────────────────────────────────────
@admin.route("/templates/texts/<template_id>/add", methods=["GET", "POST"])
@require_role(Role.ADMIN)
def add_text(template_id: str) -> Any:
    """Add the text of an event in another language or channel."""
    template = _find_template(template_id)
    form = text_editor.build_add_form(
        template, request.form if request.method == "POST" else request.args
    )
    if request.method == "POST":
        try:
            added = text_editor.add_text(template, form)
        except Refused as refusal:
            _add_error(form, refusal)
            return _add_page(template, form), refusal.status
        flash("Text added as a draft. Write it, then publish it.", "good")
        return redirect(url_for("admin.text", template_id=added), 303)
    return _add_page(template, form)


def _add_error(form: Form, refusal: Refused) -> None:
    field = form[refusal.field if refusal.field in form else "locale"]
    field.errors = [*field.errors, str(refusal)]


def _add_page(template: Template, form: Form) -> str:
    return render_template(
        "text_add.html", template=template, form=form, title=template_title(template)
    )
