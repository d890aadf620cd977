"""Show the HTML of an email text in a frame, in light or dark colors, as mailboxes show it."""

from __future__ import annotations

from typing import Any

from flask import abort, make_response, render_template, request

from hub.accounts import sources
from hub.admin.auth.guard import admin, reports_control_characters, require_role
from hub.admin.settings.branding import PREVIEW_POLICY, email_preview
from hub.admin.texts.text_editor import TextEditor
from hub.core.errors import NotFound
from hub.core.vocabulary import Channel, EventType, Role
from hub.db.engine import db
from hub.db.types import is_id
from hub.integrations.base import Outbound
from hub.integrations.branding import Branding
from hub.messaging.compose import text_editing
from hub.models import SigningRequest, Source, Template
from hub.shared import branding
from hub.signing import cards

DARK = "dark"
_DARK_RULE = "(prefers-color-scheme: dark)"
EXAMPLE_LINK = "https://signpost.example/u/example"


@admin.get("/templates/texts/<template_id>/email", endpoint="email_of_text")
@require_role(Role.VIEWER)
def show_email(template_id: str) -> Any:
    """Show the email of a stored text."""
    return _frame(TextEditor.of_stored(_find_email(template_id), request.args.get("sample", "")))


@admin.post("/templates/texts/<template_id>/email")
@require_role(Role.ADMIN)
@reports_control_characters
def preview_email(template_id: str) -> Any:
    """Show the email of the posted text. It stores nothing."""
    return _frame(TextEditor.of_posted(_find_email(template_id), request.form))


def _find_email(template_id: str) -> Template:
    try:
        template = text_editing.find_template(template_id)
    except NotFound:
        abort(404)
    if template.channel != Channel.EMAIL or email_preview() is None:
        abort(404)
    return template


def _frame(editor: TextEditor) -> Any:
    show = email_preview()
    problem = editor.preview.problem
    if show is None or problem:
        page = render_template("email_problem.html", problem=problem)
    else:
        page = _force_colors(show(_build_message(editor)), request.args.get("colors", ""))
    response = make_response(page)
    response.headers["Content-Security-Policy"] = PREVIEW_POLICY
    return response


def _build_message(editor: TextEditor) -> Outbound:
    template = editor.template
    event_type = EventType(template.event_type)
    source = _find_source(editor.sample)
    values = {"link": "", "download_link": "", **editor.values}
    return Outbound(
        id="msg_preview",
        attempt=1,
        to="eric@example.com",
        subject=editor.preview.subject,
        text=editor.preview.text,
        buttons=cards.signer_buttons(event_type, values),
        locale=template.locale,
        sender_name=source.name if source else "",
        branding=branding.read_branding(source.id) if source else Branding(),
        reminds=event_type == EventType.REMINDER,
        unsubscribe_url=EXAMPLE_LINK,
    )


def _find_source(sample: str) -> Source | None:
    """Return the source of a chosen request, or the first one."""
    if is_id("req", sample):
        chosen = db.session.get(SigningRequest, sample)
        if chosen is not None:
            return db.session.get(Source, chosen.source_id)
    return next(iter(sources.list_sources()), None)


def _force_colors(page: str, colors: str) -> str:
    """Return an email in dark or light colors, whatever the browser prefers."""
    return page.replace(_DARK_RULE, "all" if colors == DARK else "not all")
