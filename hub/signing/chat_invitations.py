"""Invite people and a team to chats: opening an invitation link allows a connection to write there.

A link works once. It records the consent of the signer who opened it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select

from hub import integrations
from hub.core.errors import Conflict, HubError, NotFound, Refused
from hub.core.quotes import quoted
from hub.core.vocabulary import Address, ConnectionState, RequestState, SignerState
from hub.db.engine import db
from hub.db.store import cached, transaction
from hub.db.types import new_id, now
from hub.integrations.base import ChatLinked, ChatPermission, Integration
from hub.lib.text import clean_line, isolate, visible_line
from hub.messaging.compose import render
from hub.messaging.compose.outbox import Draft, add_message
from hub.messaging.contacts import chats, languages
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.messaging.contacts.keywords import Keyword
from hub.messaging.contacts.opt_out_events import Decision, report_decision
from hub.messaging.inbox import chat_membership, opt_out
from hub.messaging.track.statuses import Origin
from hub.models import Connection, ConnectionInfo, Consent, Recipient, Signer, SigningRequest
from hub.shared import action_tokens, audit, integration_instances
from hub.shared.sentences import sentence
from hub.signing import people, team_subscriptions
from hub.signing.signing_batch import SignerRecord

log = structlog.get_logger(__name__)

PERSON = "chat"
TEAM = "team_chat"  # kinds of tokens
PERSON_LIFETIME = timedelta(days=7)
TEAM_LIFETIME = timedelta(hours=1)
LINK = "_link"  # the end of the names of invitation links in texts
# the field of a signer's details that holds an address of each kind


@dataclass(frozen=True)
class Invitation:
    """A link that works once, until it expires."""

    url: str
    expires_at: datetime
    connection: str  # its slug


# ── Inviting ──────────────────────────────────────────────────────────────────────────────────────
def inviting_connections(*, test: bool) -> list[Connection]:
    """Return the enabled connections that people can be invited to."""
    query = (
        select(Connection)
        .where(
            Connection.test == test,
            Connection.archived_at.is_(None),
            Connection.state == ConnectionState.ENABLED,
        )
        .order_by(Connection.id)
    )
    return [connection for connection in db.session.scalars(query) if _can_invite(connection)]


def _can_invite(connection: Connection) -> bool:
    try:
        return integrations.get(connection.integration).supports("invite")
    except NotFound:
        return False


@transaction
def invite(request_id: str, signer: str, connection: str = "") -> Invitation:
    """Create a link with which a signer opens a chat to a connection.

    `signer`: the signer's Signpost ID or ID in the app. `connection`: its slug, by default the
    first connection that supports invitations. Raises NotFound, Refused with the field.
    """
    request = db.session.get(SigningRequest, request_id)
    row = _find_signer(request, signer) if request else None
    if request is None or row is None:
        raise NotFound("no_such_signer", "The request has no signer with this ID.", field="signer")
    if not _addresses(row):
        raise Refused(
            "no_address",
            "The signer has no mobile number and no email address, so Signpost cannot create an"
            " invitation.",
            field="signer",
        )
    candidates = inviting_connections(test=request.test)
    inviting_connection = next(
        (inviting for inviting in candidates if connection in ("", inviting.slug)), None
    )
    if inviting_connection is None:
        problem = (
            f"{quoted(connection)} is not an enabled connection that supports invitations."
            if connection
            else NO_INVITING_CONNECTION
        )
        raise Refused("no_connection", problem, field="connection")
    audit.record(
        "signer.invited", request.id, request.title or "", connection=inviting_connection.slug
    )
    url = _link(inviting_connection, PERSON, row.id, PERSON_LIFETIME)
    return Invitation(url, now() + PERSON_LIFETIME, inviting_connection.slug)


def _find_signer(request: SigningRequest, signer_id: str) -> Signer | None:
    """Return a signer of a request, by the Signpost ID or the ID in the app."""
    matches = (row for row in request.signers if signer_id in (row.id, row.external_id))
    return next(matches, None)


NO_INVITING_CONNECTION = (
    "No enabled connection supports invitations to a chat. Connect one under Integrations."
)


@transaction
def invite_team(connection_id: str) -> Invitation:
    """Create a link that adds a connection to a group, which becomes its destination.

    Raises Conflict.
    """
    connection = db.session.get_one(Connection, connection_id)
    if not _can_invite(connection) or not connection.settings_version:
        raise Conflict("cannot_invite", "Save the settings first. Then create a link.")
    audit.record("connection.team_invited", connection.id, connection.title)
    url = _link(connection, TEAM, connection.id, TEAM_LIFETIME)
    return Invitation(url, now() + TEAM_LIFETIME, connection.slug)


def list_chat_titles(signer: Signer) -> list[str]:
    """Return the titles of the connections that write to a signer's linked chats."""
    addresses = _addresses(signer)
    if not addresses:
        return []
    titles = {row.id: row.title for row in inviting_connections(test=signer.request.test)}
    linked = chats.find_chats({signer.id: addresses}, signer.request.source_id, list(titles))
    signer_chats = linked.get(signer.id, {})
    return [title for connection_id, title in titles.items() if connection_id in signer_chats]


def _link(connection: Connection, kind: str, subject: str, lifetime: timedelta) -> str:
    token = action_tokens.make_token(kind, subject, lifetime, connection_id=connection.id)
    return integration_instances.instance(connection).invite(token, team=kind == TEAM)


def link_names() -> frozenset[str]:
    """Return the names of links in templates: `<integration>_link` for each that can invite."""
    return frozenset(
        f"{name}{LINK}"
        for name, integration_class in integrations.registry().items()
        if integration_class.supports("invite")
    )


def links_for(
    shown: Collection[str],
    connections: Iterable[ConnectionInfo],
    source_id: str,
    signer: SignerRecord,
) -> dict[str, str]:
    """Return the invitation links that text shows, by name.

    A link is '' when no connection can invite the signer, or the signer's chat is already linked.
    """
    if not any(name.endswith(LINK) for name in shown):
        return {}
    links = dict.fromkeys(link_names().intersection(shown), "")
    for connection in connections:
        name = f"{connection.integration}{LINK}"
        if name in links and not links[name]:
            links[name] = _link_for(connection.id, source_id, signer)
    return links


def _link_for(connection_id: str, source_id: str, signer: SignerRecord) -> str:
    addresses = people.addresses(signer)
    if not addresses or chats.find_chats({signer.id: addresses}, source_id, [connection_id]):
        return ""
    try:
        integration = cached(("inviting", connection_id), lambda: _inviting(connection_id))
        if integration is None:
            return ""
        token = action_tokens.make_token(
            PERSON, signer.id, PERSON_LIFETIME, connection_id=connection_id
        )
        return integration.invite(token)
    except HubError as error:  # the text is sent without the link
        log.error("invitation.create_failed", connection=connection_id, why=str(error))
        return ""


def _inviting(connection_id: str) -> Integration | None:
    """Return the integration of a connection that people can be invited to, or None if disabled."""
    connection = db.session.get_one(Connection, connection_id)
    return integration_instances.instance(connection) if connection.enabled else None


# ── Linking ───────────────────────────────────────────────────────────────────────────────────────
@transaction
def link_chat(event: ChatLinked, origin: Origin, at: datetime) -> bool:
    """Link the chat in which an invitation was opened; return False for an unknown connection.

    An expired or used invitation links nothing, and the chat gets a message about it.
    """
    connection = _receiver(origin.connection_ids)
    if connection is None:
        return False
    kind = TEAM if event.team else PERSON
    action = action_tokens.find_token(event.token, kind, lock=True) if event.token else None
    contact = get_or_create_contact(
        Address.CHAT, event.address, test=connection.test, name=event.name
    )
    if action is None or not action_tokens.is_open(action) or action.connection_id != connection.id:
        # a second report of the same opening needs no second reply
        if action is None or action.outcome != contact.id:
            signer = db.session.get(Signer, action.subject) if action and not event.team else None
            text = sentence("link_void", _language_of(signer, contact))
            add_message(
                Draft(connection=connection.info, recipient=contact, text=text, exempt=True)
            )
        return True
    action.used_at = now()
    action.outcome = contact.id
    permission = ChatPermission(
        allowed=True, address=event.address, reason="Opened an invitation link from Signpost."
    )
    chat_membership.apply_membership(permission, origin, at)
    if event.team:
        _set_destination(connection, event)
        title = isolate(clean_line(connection.title))
        text = sentence("team_linked", render.default_locale(), connection=title)
        add_message(Draft(connection=connection.info, recipient=contact, text=text, exempt=True))
        return True
    signer = db.session.get(Signer, action.subject)
    if signer is not None:
        _link_signer(signer, connection, contact, origin, at)
    return True


def _link_signer(
    signer: Signer, connection: Connection, contact: Recipient, origin: Origin, at: datetime
) -> None:
    """Link a signer's addresses to the chat, record the consent, and send a welcome message."""
    request = signer.request
    chats.link_chat(
        connection.id, request.source_id, _addresses(signer), contact.id, origin.callback_id
    )
    lifted = opt_out.process_keyword(
        Keyword.START, "opened an invitation link", connection.info, contact, at, answered=True
    )
    proof = (
        f"Opened the invitation link of signer {signer.external_id} of request"
        f" {request.external_id}."
    )
    consent = Consent(
        id=new_id("cns"),
        contact_id=contact.id,
        channel=connection.channel,
        given=True,
        evidence=opt_out.BY_LINK,
        source_id=request.source_id,
        at=at,
        proof=proof,
    )
    db.session.add(consent)
    db.session.flush()
    _report_consent(consent, connection, request, for_all=bool(lifted))
    add_message(
        Draft(
            connection=connection.info,
            recipient=contact,
            text=_welcome_text(request, signer, _language_of(signer, contact)),
            source_id=request.source_id,
            request_id=request.id,
            signer_id=signer.id,
        )
    )


def _report_consent(
    consent: Consent, connection: Connection, request: SigningRequest, *, for_all: bool
) -> None:
    """Report that a contact opened an invitation link.

    `for_all`: it also removed the contact's opt-out, which applied to every source.
    """
    report_decision(
        Decision(
            row_id=consent.id,
            consented=True,
            contact_id=consent.contact_id,
            reason=consent.evidence,
            channel=consent.channel,
            test=connection.test,
            at=consent.at,
            source_id=None if for_all else request.source_id,
            connection_id=connection.id,
            request_id=request.id,
            message_source_id=request.source_id,
        )
    )


def _language_of(signer: Signer | None, contact: Recipient) -> str:
    """Return the language of a signer, or of the last text to the chat."""
    details = (signer.details or {}) if signer else {}
    known = details.get("locale") or languages.find_language(contact.id)
    return known or render.default_locale()


def _receiver(connection_ids: Collection[str]) -> Connection | None:
    query = (
        select(Connection)
        .where(Connection.id.in_(connection_ids), Connection.archived_at.is_(None))
        .order_by(Connection.id)
    )
    return db.session.scalar(query.limit(1))


def _set_destination(connection: Connection, opened: ChatLinked) -> None:
    connection.destination = opened.address
    db.session.flush()
    team_subscriptions.subscribe_new(connection)
    audit.record("connection.placed", connection.id, connection.title, chat=opened.name)


def _welcome_text(request: SigningRequest, signer: Signer, locale: str) -> str:
    sender = request.sender or {}
    name = visible_line(sender.get("name") or "") or visible_line(sender.get("email") or "")
    sender_name = isolate(name) or sentence("your_signing_app", locale)
    paragraphs = [sentence("welcome", locale, sender=sender_name)]
    owes = SignerState.read(signer.state).has_not_signed and not request.expired
    if request.state == RequestState.OPEN and owes and signer.signing_url:
        title = isolate(visible_line(request.title or "")) or sentence("a_document", locale)
        link = signer.signing_url
        paragraphs.append(sentence("waiting", locale, title=title, link=link))
    return "\n\n".join(paragraphs)


def _addresses(signer: Signer) -> dict[str, str]:
    details = signer.details or {}
    return {
        kind: details[field] for kind, field in people.ADDRESS_FIELDS.items() if details.get(field)
    }
