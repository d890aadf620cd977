"""Letting a connection write to a chat: a link that is opened once brings the chat of who opened
it, with their consent.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select

from hub import integrations
from hub.core.errors import Conflict, HubError, NotFound, Refused
from hub.core.vocabulary import Address, ConnectionState, RequestState, SignerState
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import new_id, now
from hub.integrations.base import ChatLinked, ChatPermission
from hub.lib.text import isolate, one_line
from hub.messaging.compose.outbox import Draft, add
from hub.messaging.contacts import chats
from hub.messaging.contacts.contacts import contact_for
from hub.messaging.contacts.keywords import Keyword
from hub.messaging.inbox import chat_membership, opt_out
from hub.messaging.track.statuses import Origin
from hub.models import Connection, ConnectionInfo, Consent, Recipient, Signer, SigningRequest
from hub.shared import action_tokens, audit, integration_instances
from hub.signing import team_subscriptions
from hub.signing.signing_batch import SignerRecord

log = structlog.get_logger(__name__)

PERSON = "chat"
TEAM = "team_chat"  # kinds of tokens
LASTS = timedelta(days=7)
TEAM_LASTS = timedelta(hours=1)
# of a signer, by the kind of an address
FIELDS = {Address.PHONE.value: "mobile_number", Address.EMAIL.value: "email"}


@dataclass(frozen=True)
class Invitation:
    """A link that a person opens once, and until when."""

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
    return [one for one in db.session.scalars(query) if _invites(one)]


def _invites(connection: Connection) -> bool:
    try:
        return integrations.get(connection.integration).supports("invite")
    except NotFound:
        return False


@transaction
def invite(request_id: str, signer: str, connection: str = "") -> Invitation:
    """Make a link by which a signer lets a connection write to them; the connection by slug, else
    the first that can.

    Raises NotFound, Refused that names the field.
    """
    request = db.session.get(SigningRequest, request_id)
    found = (
        next((one for one in request.signers if signer in (one.id, one.external_id)), None)
        if request
        else None
    )
    if request is None or found is None:
        raise NotFound("no_such_signer", "The request has no signer with this ID.", field="signer")
    if not _addresses(found):
        raise Refused(
            "no_address",
            "The signer has neither a mobile number nor an email address, so an"
            " invitation cannot be linked to them.",
            field="signer",
        )
    among = inviting_connections(test=request.test)
    chosen = next((one for one in among if connection in ("", one.slug)), None)
    if chosen is None:
        why = (
            f"{connection!r} is not an enabled connection that supports invitations."
            if connection
            else NOBODY_INVITES
        )
        raise Refused("no_connection", why, field="connection")
    audit.record("signer.invited", request.id, request.title or "", connection=chosen.slug)
    return Invitation(_link(chosen, PERSON, found.id, LASTS), now() + LASTS, chosen.slug)


NOBODY_INVITES = (
    "No enabled connection supports invitations to a chat. Connect one under Integrations."
)


@transaction
def invite_team(connection_id: str) -> Invitation:
    """Make a link by which a connection is let into a group, which becomes where its team reads.

    Raises Conflict.
    """
    connection = db.session.get_one(Connection, connection_id)
    if not _invites(connection) or not connection.settings_version:
        raise Conflict("cannot_invite", "Save the settings first. Then create a link.")
    audit.record("connection.team_invited", connection.id, connection.title)
    return Invitation(
        _link(connection, TEAM, connection.id, TEAM_LASTS), now() + TEAM_LASTS, connection.slug
    )


def chats_of(signer: Signer) -> list[str]:
    """Return the titles of the connections that write to a signer's linked chats."""
    addresses = _addresses(signer)
    among = inviting_connections(test=signer.request.test)
    known = (
        chats.chats_of({signer.id: addresses}, signer.request.source_id, [one.id for one in among])
        if addresses
        else {}
    )
    return [one.title for one in among if one.id in known.get(signer.id, {})]


def _link(connection: Connection, kind: str, subject: str, lasts: timedelta) -> str:
    token = action_tokens.make_token(kind, subject, lasts, connection_id=connection.id)
    return integration_instances.instance(connection).invite(token, team=kind == TEAM)


def link_names() -> frozenset[str]:
    """Return what texts can show: `<integration>_link`, for every integration that people can be
    invited to.
    """
    return frozenset(
        f"{name}_link" for name, cls in integrations.registry().items() if cls.supports("invite")
    )


def links_for(
    shown: Collection[str],
    connections: Iterable[ConnectionInfo],
    source_id: str,
    signer: SignerRecord,
) -> dict[str, str]:
    """Return the links that a text shows, made now; '' where nobody can be invited, or the signer's
    chat is known already.
    """
    found = dict.fromkeys(link_names(), "")
    for connection in connections:
        name = f"{connection.integration}_link"
        if name in shown and name in found and not found[name]:
            found[name] = _link_for(connection.id, source_id, signer)
    return found


def _link_for(connection_id: str, source_id: str, signer: SignerRecord) -> str:
    addresses = {
        kind: signer.details[field] for kind, field in FIELDS.items() if signer.details.get(field)
    }
    connection = db.session.get_one(Connection, connection_id)
    known = chats.chats_of({signer.id: addresses}, source_id, [connection_id]) if addresses else {}
    if not addresses or known or not connection.enabled:
        return ""
    try:
        return _link(connection, PERSON, signer.id, LASTS)
    except HubError as problem:  # a text goes without its link rather than not at all
        log.error("link.not_made", connection=connection.slug, why=str(problem))
        return ""


# ── Linking ───────────────────────────────────────────────────────────────────────────────────────
@transaction
def link_chat(came: ChatLinked, origin: Origin, at: datetime) -> bool:
    """Let a connection write to the chat of who opened a link; False when the connection is not
    known.

    A link that is used up or too old links nothing, and the chat gets a message that says so.
    """
    connection = _receiver(origin.connection_ids)
    if connection is None:
        return False
    kind = TEAM if came.team else PERSON
    action = action_tokens.find_token(came.token, kind, lock=True) if came.token else None
    contact = contact_for(Address.CHAT, came.address, test=connection.test, name=came.name)
    if action is None or not action_tokens.is_open(action) or action.connection_id != connection.id:
        # the same tap, reported twice, needs no second answer
        if action is None or action.outcome != contact.id:
            add(Draft(connection=connection.info, recipient=contact, text=VOID, exempt=True))
        return True
    action.used_at = now()
    action.outcome = contact.id
    opened = ChatPermission(
        allowed=True, address=came.address, reason=("Opened an invitation link from Signpost.")
    )
    chat_membership.apply_membership(opened, origin, at)
    if came.team:
        _take_place(connection, came)
        here = f"{isolate(one_line(connection.title))} will post updates in this chat."
        add(Draft(connection=connection.info, recipient=contact, text=here, exempt=True))
        return True
    signer = db.session.get(Signer, action.subject)
    if signer is not None:
        _link_signer(signer, connection, contact, origin, at)
    return True


def _link_signer(
    signer: Signer, connection: Connection, contact: Recipient, origin: Origin, at: datetime
) -> None:
    """Link a signer's addresses to the chat, record the consent, and welcome them."""
    request = signer.request
    chats.link_chat(
        connection.id, request.source_id, _addresses(signer), contact.id, origin.callback_id
    )
    opt_out.process_keyword(
        Keyword.START, "opened an invitation link", connection.info, contact, at, answered=True
    )
    proof = (
        f"Opened the invitation link of signer {signer.external_id} of request"
        f" {request.external_id}."
    )
    db.session.add(
        Consent(
            id=new_id("cns"),
            contact_id=contact.id,
            channel=connection.channel,
            given=True,
            evidence=opt_out.BY_LINK,
            source_id=request.source_id,
            at=at,
            proof=proof,
        )
    )
    db.session.flush()
    add(
        Draft(
            connection=connection.info,
            recipient=contact,
            text=_welcome(request, signer),
            source_id=request.source_id,
            request_id=request.id,
            signer_id=signer.id,
        )
    )


VOID = "This link was already used or has expired. Ask the sender for a new one."


def _receiver(connection_ids: Collection[str]) -> Connection | None:
    query = (
        select(Connection)
        .where(Connection.id.in_(connection_ids), Connection.archived_at.is_(None))
        .order_by(Connection.id)
    )
    return db.session.scalar(query.limit(1))


def _take_place(connection: Connection, came: ChatLinked) -> None:
    connection.destination = came.address
    db.session.flush()
    team_subscriptions.subscribe_new(connection)
    audit.record("connection.placed", connection.id, connection.title, chat=came.name)


def _welcome(request: SigningRequest, signer: Signer) -> str:
    sender = request.sender or {}
    who = one_line(sender.get("name") or sender.get("email") or "") or "Your signing app"
    ends = "Send /stop to opt out."
    words = [f"You are connected. {isolate(who)} will send you messages here. {ends}"]
    owes = SignerState.read(signer.state).owes and not request.expired
    if request.state == RequestState.OPEN and owes and signer.signing_url:
        title = isolate(one_line(request.title or "") or "A document")
        words.append(f"“{title}” is waiting for your signature: {signer.signing_url}")
    return "\n\n".join(words)


def _addresses(signer: Signer) -> dict[str, str]:
    details = signer.details or {}
    return {kind: details[field] for kind, field in FIELDS.items() if details.get(field)}
