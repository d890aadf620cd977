"""The inbox: what people wrote to us, and answering them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from mimetypes import guess_extension
from typing import Any

from flask import Response, abort, flash, redirect, render_template, request, url_for
from flask_wtf import FlaskForm
from wtforms import TextAreaField

from hub.admin.auth.guard import admin, may, needs
from hub.admin.contacts import detail, opt_out_notes
from hub.admin.contacts.opt_out_notes import Note
from hub.admin.overview.damage import describe_damage
from hub.admin.view.forms import blame
from hub.admin.view.message_rows import first_words, name_of, says
from hub.admin.view.pagination import paged
from hub.core.errors import Conflict, DecryptionError, Refused, SendError
from hub.core.vocabulary import Role
from hub.messaging.compose import sent_text
from hub.messaging.compose.sent_text import SentText
from hub.messaging.inbox import contents, conversations
from hub.messaging.inbox.conversations import ConversationEntry, ConversationSummary
from hub.models import MessageBody


class AnswerForm(FlaskForm):  # type: ignore[misc]
    """An operator's answer."""

    text = TextAreaField("Your reply", render_kw={"rows": 3})


@dataclass(frozen=True)
class Row:
    """A conversation as the list shows it."""

    id: str
    who: str
    address: str
    words: str
    unread: int
    channel: str
    via: str
    test: bool
    at: datetime
    window: str


@dataclass(frozen=True)
class File:
    """A file that came along or went along; `href` where it can be had."""

    name: str
    href: str


@dataclass(frozen=True)
class ContentView:
    """A content other than text and files, in words; `map` links to a place on a map."""

    text: str
    map: str


MOST = 10  # files of one message
FILES = {
    "image": "Image",
    "audio": "Audio",
    "video": "Video",
    "application": "Document",
}
CARDS = ("text/vcard", "text/x-vcard", "text/directory")
MAP = "https://www.openstreetmap.org/?mlat={}&mlon={}"


@dataclass(frozen=True)
class ConversationLine:
    """One thing that was said, as the page shows it."""

    at: datetime
    theirs: bool
    text: str
    button: str
    files: list[File]
    contents: list[ContentView]
    keyword: str
    status: str
    href: str


@admin.get("/inbox")
@needs(Role.VIEWER)
def inbox() -> Any:
    """List conversations, what was written last first."""
    only_new = request.args.get("show") == "unread"
    keep = {"show": "unread"} if only_new else {}
    found = paged(
        lambda before, after, limit: conversations.newest_conversations(
            limit, before, after, unread=only_new
        ),
        "inb",
        keep,
    )
    words = conversations.last_bodies(found.rows)
    new = conversations.count_unread() or None
    unread = url_for("admin.inbox", show="unread")
    chips = [
        {"title": "All", "href": url_for("admin.inbox"), "here": not only_new, "icon": ""},
        {"title": "Unread", "href": unread, "here": only_new, "icon": "envelope", "count": new},
    ]
    return render_template(
        "inbox.html",
        rows=[_row(talk, words.get(talk.row.id)) for talk in found.rows],
        filters=chips,
        only_new=only_new,
        newer=found.newer,
        older=found.older,
    )


@admin.get("/inbox/<conversation_id>")
@needs(Role.VIEWER)
@describe_damage("conversations")
def conversation(conversation_id: str) -> Any:
    """Show a conversation."""
    return _page(conversation_id, AnswerForm())


@admin.post("/inbox/<conversation_id>")
@needs(Role.OPERATOR)
def answer(conversation_id: str) -> Any:
    """Answer a person."""
    form = AnswerForm()
    try:
        conversations.send_reply(conversation_id, form.text.data or "")
    except Conflict as refusal:
        flash(str(refusal), "bad")
        return _page(conversation_id, form), 409
    except Refused as refusal:
        blame(form, refusal)
        return _page(conversation_id, form), 422
    return redirect(url_for("admin.conversation", conversation_id=conversation_id) + "#last", 303)


@admin.post("/inbox/<conversation_id>/read")
@needs(Role.OPERATOR)
def mark_read(conversation_id: str) -> Any:
    """Note that a conversation was read."""
    conversations.mark_read(conversation_id)
    return redirect(url_for("admin.inbox"), 303)


@admin.get("/inbox/files/<inbound_id>/<n>")
@needs(Role.VIEWER)
def inbound_file(inbound_id: str, n: str) -> Response:
    """Give a file that a person sent, fetched from the provider; to be saved, never shown as a page
    of ours.
    """
    try:
        content_type, content = conversations.fetch_inbound_file(
            inbound_id, int(n) if n.isdecimal() else MOST
        )
    except (SendError, DecryptionError) as problem:
        abort(502, f"Could not fetch the file. {problem}")
    response = Response(content, content_type=content_type)
    response.headers.set(
        "Content-Disposition",
        "attachment",
        filename=f"{inbound_id}-{n}{guess_extension(content_type) or ''}",
    )
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _page(conversation_id: str, form: AnswerForm) -> str:
    talk = conversations.get_conversation(conversation_id)
    who = _who(talk, conversations.last_bodies([talk]).get(talk.row.id))
    return render_template(
        "conversation.html",
        talk=talk,
        who=who,
        lines=_lines(talk),
        form=form,
        may_answer=may(Role.OPERATOR),
        opt_out=_opt_out(talk),
        window=_window(talk),
    )


def _opt_out(talk: ConversationSummary) -> Note | None:
    """Return why the contact receives no messages over this connection, or None."""
    found = conversations.find_opt_out(talk)
    return opt_out_notes.notes([found])[0] if found else None


def _row(talk: ConversationSummary, body: MessageBody | None) -> Row:
    return Row(
        id=talk.row.id,
        who=_who(talk, body),
        address=talk.contact.address if talk.contact else "",
        words=_words(body),
        unread=talk.row.unread,
        channel=talk.connection.channel,
        via=talk.connection.title,
        test=talk.row.test,
        at=talk.row.last_at,
        window=_window(talk),
    )


def _who(talk: ConversationSummary, body: MessageBody | None) -> str:
    """Return the name of the other side; an unknown sender is shown with what the message says
    instead.
    """
    if talk.contact is not None:
        return name_of(talk.contact)
    said = _content(body).get("name", "")
    return f"Unknown sender ({said})" if said else "Unknown sender"


def _words(body: MessageBody | None) -> str:
    """Return what a person wrote last, or what else they sent."""
    text = says(body)
    if body is None or text:
        return text
    content = _content(body)
    shown = [contents.describe_content(one) for one in content.get("contents", ())]
    files = [_kind_of_file(file) for file in content.get("media", ())]
    return first_words(", ".join(shown + files) or content.get("button", "") or "Empty message")


def _content(body: MessageBody | None) -> dict[str, Any]:
    try:
        found: dict[str, Any] = body.content if body is not None else {}
        return found
    except DecryptionError:
        return {}


def _kind_of_file(file: dict[str, Any]) -> str:
    """Say what a file is, as far as its content type tells."""
    content_type = file.get("content_type", "").partition(";")[0].strip().lower()
    if content_type in CARDS:
        return "Contact card"
    return FILES.get(content_type.partition("/")[0], "File")


def _shown(content: dict[str, Any]) -> ContentView:
    where = contents.coordinates(content)
    return ContentView(
        contents.describe_content(content), MAP.format(*where.split(",")) if where else ""
    )


def _window(talk: ConversationSummary) -> str:
    """Say whether free text may go, where that is a question."""
    return detail.consent_label(talk.window_closes_at) if talk.has_window else ""


def _lines(talk: ConversationSummary) -> list[ConversationLine]:
    found = conversations.conversation_entries(talk)
    templates = sent_text.sent_text_of([line.message for line in found if line.message])
    return [_said(line, templates.get(line.message.id) if line.message else None) for line in found]


def _said(line: ConversationEntry, template: SentText | None) -> ConversationLine:
    content: dict[str, Any] = {"text": "The text was deleted."}
    if line.body is not None:
        try:
            content = line.body.content
        except DecryptionError as problem:
            content = {"text": str(problem)}
    message = line.message
    return ConversationLine(
        at=line.at,
        theirs=line.is_incoming,
        text=template.filled(content) if template else content.get("text", ""),
        button=content.get("button", ""),
        files=[
            File(
                file.get("name") or _kind_of_file(file),
                (
                    ""
                    if line.row_id is None
                    else url_for("admin.inbound_file", inbound_id=line.row_id, n=n)
                ),
            )
            for n, file in enumerate(content.get("media", ()))
        ],
        contents=[_shown(one) for one in content.get("contents", ())],
        keyword=line.keyword,
        status=message.status if message else "",
        href=url_for("admin.message", message_id=message.id) if message else "",
    )
