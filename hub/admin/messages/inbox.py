"""Show the inbox and its conversations, and send replies."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from mimetypes import guess_extension
from typing import Any

from flask import Response, abort, flash, redirect, render_template, request, url_for
from flask_wtf import FlaskForm
from wtforms import TextAreaField

from hub.admin.auth.guard import admin, has_role, require_role
from hub.admin.contacts import contact_page, opt_out_descriptions
from hub.admin.contacts.opt_out_descriptions import OptOutDescription
from hub.admin.overview.damaged_row_notice import show_damaged_row_notice
from hub.admin.view.forms import add_error
from hub.admin.view.message_rows import contact_name, first_words, preview_text
from hub.admin.view.pagination import paginate
from hub.core.errors import Conflict, DecryptionError, Refused, SendError
from hub.core.vocabulary import Role
from hub.intake import received_files
from hub.messaging.compose import sent_text
from hub.messaging.compose.sent_text import SentText
from hub.messaging.inbox import contents, conversations
from hub.messaging.inbox.conversations import ConversationEntry, ConversationSummary
from hub.models import MessageBody


class ReplyForm(FlaskForm):  # type: ignore[misc]
    """An operator's reply."""

    text = TextAreaField("Your reply", render_kw={"rows": 3})


@dataclass(frozen=True)
class ConversationListRow:
    """A conversation as the list shows it."""

    id: str
    name: str
    address: str
    last_message: str
    unread: int
    channel: str
    connection_title: str
    test: bool
    last_message_at: datetime
    window: str


@dataclass(frozen=True)
class File:
    """An attached file."""

    name: str
    href: str  # '' for a file that cannot be downloaded


@dataclass(frozen=True)
class ContentView:
    """A description of content other than text and files, such as a location."""

    text: str
    map: str  # the link to a map, or ''


MAX_FILES = 10  # of one message
FILES = {
    "image": "Image",
    "audio": "Audio",
    "video": "Video",
    "application": "Document",
}
CARDS = ("text/vcard", "text/x-vcard", "text/directory")
UNKNOWN_TYPE = "application/octet-stream"
_OFFICE = "application/vnd.openxmlformats-officedocument"
HARMLESS_TYPES = {
    *CARDS,
    "application/pdf",
    "application/zip",
    "text/calendar",
    "text/csv",
    "text/plain",
    f"{_OFFICE}.presentationml.presentation",
    f"{_OFFICE}.spreadsheetml.sheet",
    f"{_OFFICE}.wordprocessingml.document",
}
MAP = "https://www.openstreetmap.org/?mlat={}&mlon={}"


@dataclass(frozen=True)
class ConversationLine:
    """One message of a conversation, as the page shows it."""

    at: datetime
    is_inbound: bool
    text: str
    button: str
    files: list[File]
    contents: list[ContentView]
    keyword: str
    status: str
    href: str


@admin.get("/inbox")
@require_role(Role.VIEWER)
def inbox() -> Any:
    """List conversations, newest first."""
    only_unread = request.args.get("show") == "unread"
    active_filters = {"show": "unread"} if only_unread else {}
    page = paginate(
        lambda before, after, limit: conversations.newest_conversations(
            limit, before, after, unread=only_unread
        ),
        "inb",
        active_filters,
    )
    bodies = conversations.last_bodies(page.rows)
    chips = [
        {"title": "All", "href": url_for("admin.inbox"), "here": not only_unread, "icon": ""},
        {
            "title": "Unread",
            "href": url_for("admin.inbox", show="unread"),
            "here": only_unread,
            "icon": "envelope",
            "count": conversations.count_unread() or None,
        },
    ]
    return render_template(
        "inbox.html",
        rows=[_row(summary, bodies.get(summary.row.id)) for summary in page.rows],
        filters=chips,
        only_unread=only_unread,
        newer=page.newer,
        older=page.older,
    )


@admin.get("/inbox/<conversation_id>")
@require_role(Role.VIEWER)
@show_damaged_row_notice("conversations")
def conversation(conversation_id: str) -> Any:
    """Show a conversation."""
    return _page(conversation_id, ReplyForm())


@admin.post("/inbox/<conversation_id>")
@require_role(Role.OPERATOR)
def send_reply(conversation_id: str) -> Any:
    """Send a reply."""
    form = ReplyForm()
    try:
        conversations.send_reply(conversation_id, form.text.data or "")
    except Conflict as refusal:
        flash(str(refusal), "bad")
        return _page(conversation_id, form), 409
    except Refused as refusal:
        add_error(form, refusal)
        return _page(conversation_id, form), 422
    return redirect(url_for("admin.conversation", conversation_id=conversation_id) + "#last", 303)


@admin.post("/inbox/<conversation_id>/read")
@require_role(Role.OPERATOR)
def mark_read(conversation_id: str) -> Any:
    """Mark a conversation as read."""
    conversations.mark_read(conversation_id)
    return redirect(url_for("admin.inbox"), 303)


@admin.get("/inbox/files/<inbound_id>/<position>")
@require_role(Role.VIEWER)
def inbound_file(inbound_id: str, position: str) -> Response:
    """Return a file that a person sent, as a download that no browser opens or executes."""
    is_position = position.isdecimal() and len(position) <= len(str(MAX_FILES))
    try:
        file = received_files.fetch_received_file(
            inbound_id, int(position) if is_position else MAX_FILES
        )
    except (SendError, DecryptionError) as error:
        abort(502, f"Could not fetch the file: {error}")
    content_type = file.content_type if _is_harmless(file.content_type) else UNKNOWN_TYPE
    name = file.name.rpartition(".")[0] or file.name or f"{inbound_id}-{position}"
    response = Response(file.content, content_type=content_type)
    response.headers.set(
        "Content-Disposition",
        "attachment",
        # the ending is that of the type, so that a program cannot pass itself off as a document
        filename=f"{name}{guess_extension(content_type) or ''}",
    )
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _is_harmless(content_type: str) -> bool:
    """Return whether files of a content type contain no scripts that a browser executes."""
    kind, _, subtype = content_type.partition("/")
    return content_type in HARMLESS_TYPES or (
        kind in ("image", "audio", "video") and not subtype.startswith("svg")
    )


def _page(conversation_id: str, form: ReplyForm) -> str:
    summary = conversations.get_conversation(conversation_id)
    name = _name(summary, conversations.last_bodies([summary]).get(summary.row.id))
    return render_template(
        "conversation.html",
        conversation=summary,
        name=name,
        lines=_lines(summary),
        form=form,
        may_answer=has_role(Role.OPERATOR),
        opt_out=_opt_out(summary),
        window=_window(summary),
    )


def _opt_out(summary: ConversationSummary) -> OptOutDescription | None:
    """Return the reason why the contact receives no messages over this connection, or None."""
    find_opt_out = conversations.find_opt_out(summary)
    return opt_out_descriptions.describe_opt_outs([find_opt_out])[0] if find_opt_out else None


def _row(summary: ConversationSummary, body: MessageBody | None) -> ConversationListRow:
    return ConversationListRow(
        id=summary.row.id,
        name=_name(summary, body),
        address=summary.contact.address if summary.contact else "",
        last_message=_last_message(body),
        unread=summary.row.unread,
        channel=summary.connection.channel,
        connection_title=summary.connection.title,
        test=summary.row.test,
        last_message_at=summary.row.last_at,
        window=_window(summary),
    )


def _name(summary: ConversationSummary, body: MessageBody | None) -> str:
    """Return the contact's name. An unknown sender is shown with the name in the message."""
    if summary.contact is not None:
        return contact_name(summary.contact)
    sender = _content(body).get("name", "")
    return f"Unknown sender ({sender})" if sender else "Unknown sender"


def _last_message(body: MessageBody | None) -> str:
    """Return the text of a message, or a description of its other content."""
    text = preview_text(body)
    if body is None or text:
        return text
    content = _content(body)
    descriptions = [contents.describe_content(item) for item in content.get("contents", ())]
    files = [_kind_of_file(file) for file in content.get("media", ())]
    return first_words(
        ", ".join(descriptions + files) or content.get("button", "") or "Empty message"
    )


def _content(body: MessageBody | None) -> dict[str, Any]:
    try:
        content: dict[str, Any] = body.content if body is not None else {}
        return content
    except DecryptionError:
        return {}


def _kind_of_file(file: dict[str, Any]) -> str:
    """Return the title of a file's kind, by its content type."""
    content_type = file.get("content_type", "").partition(";")[0].strip().lower()
    if content_type in CARDS:
        return "Contact card"
    return FILES.get(content_type.partition("/")[0], "File")


def _content_view(content: dict[str, Any]) -> ContentView:
    coordinates = contents.coordinates(content)
    map_url = MAP.format(*coordinates.split(",")) if coordinates else ""
    return ContentView(contents.describe_content(content), map_url)


def _window(summary: ConversationSummary) -> str:
    """Return the state of the session window, or '' for a connection without windows."""
    return contact_page.describe_window(summary.window_closes_at) if summary.has_window else ""


def _lines(summary: ConversationSummary) -> list[ConversationLine]:
    entries = conversations.conversation_entries(summary)
    templates = sent_text.find_sent_texts([entry.message for entry in entries if entry.message])
    return [
        _line(entry, templates.get(entry.message.id) if entry.message else None)
        for entry in entries
    ]


def _line(entry: ConversationEntry, template: SentText | None) -> ConversationLine:
    content: dict[str, Any] = {"text": "The text was deleted."}
    if entry.body is not None:
        try:
            content = entry.body.content
        except DecryptionError as error:
            content = {"text": str(error)}
    message = entry.message
    return ConversationLine(
        at=entry.at,
        is_inbound=entry.is_incoming,
        text=template.filled(content) if template else content.get("text", ""),
        button=content.get("button", ""),
        files=[
            File(file.get("name") or _kind_of_file(file), _file_url(entry, position))
            for position, file in enumerate(content.get("media", ()))
        ],
        contents=[_content_view(item) for item in content.get("contents", ())],
        keyword=entry.keyword,
        status=message.status if message else "",
        href=url_for("admin.message", message_id=message.id) if message else "",
    )


def _file_url(entry: ConversationEntry, position: int) -> str:
    if entry.row_id is None:
        return ""
    return url_for("admin.inbound_file", inbound_id=entry.row_id, position=position)
