"""Read the routes, connections and signers that planning an event's messages needs."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import and_, bindparam, or_, select

from hub import integrations
from hub.core.errors import NotFound
from hub.core.vocabulary import Address, Audience, EventType, SignerState
from hub.db.compiled_sql import Statement
from hub.db.store import read
from hub.messaging.compose import plan, render
from hub.messaging.contacts import chats
from hub.messaging.policy.connection_info import read_available_connections
from hub.models import Connection, ConnectionInfo, Route, RouteStep
from hub.signing import people, turns
from hub.signing.reminder_times import reason_not_to_remind
from hub.signing.restrictions import add_restrictions, has_fallbacks
from hub.signing.signing_batch import RequestRecord, SignerRecord


def usable_connections(*, test: bool) -> dict[str, ConnectionInfo]:
    """Return the connections that messages can be stored for, by ID, the preferred ones first."""
    available = read_available_connections(test=test)
    return {connection.id: connection for connection in available if _is_usable(connection)}


def _is_usable(connection: ConnectionInfo) -> bool:
    """Return whether the integration is installed and the connection's row is undamaged."""
    try:
        return integrations.get(connection.integration).channel == connection.channel
    except NotFound:
        return False


def build_candidate(connection: ConnectionInfo) -> plan.Candidate:
    """Return a connection with the addresses that its integration writes to."""
    integration_class = integrations.get(connection.integration)
    reaches_people = integration_class.reaches_people(connection.destination)
    return plan.Candidate(
        connection,
        integration_class.address.value,
        integration_class.clean_address,
        (integration_class.direct_address_kind if reaches_people else None) or "",
        integration_class.reports,
        integration_class.reliable_statuses,
    )


def read_routes(event_type: EventType, source_id: str, *, test: bool) -> list[plan.Route]:
    """Return the routes of an event for a source.

    A source's own route replaces the general route for the same audience. If it is disabled, the
    source notifies nobody of this audience.
    """
    rows = read(_ROUTES, event_type=event_type.value, source=source_id, test=test)
    own = {row[_AUDIENCE] for row in rows if row[_OWNER]}
    routes: dict[str, plan.Route] = {}
    steps: dict[str, list[plan.Step]] = {}
    for route_id, owner, audience, enabled, version, continues, missing, *step in rows:
        if not enabled or bool(owner) != (audience in own):
            continue
        if route_id not in routes:
            routes[route_id] = plan.Route(
                audience,
                steps.setdefault(route_id, []),
                id=route_id,
                version=version,
                continue_after_opt_out=continues,
                paid_when_missing=missing,
            )
        if step[0]:
            steps[route_id].append(_build_step(*step))
    return list(routes.values())


def read_legacy_step_ids(event_type: EventType, source_id: str) -> list[str]:
    """Return the steps by which version 0.2.0 notified people of an event."""
    rows = read(_LEGACY_STEPS, event_type=event_type.value, source=source_id)
    return [step_id for (step_id,) in rows]


_LEGACY_STEPS = Statement(
    select(RouteStep.id)
    .join(Route)
    .where(
        Route.event_type == bindparam("event_type"),
        or_(Route.source_id.is_(None), Route.source_id == bindparam("source")),
        Route.audience != Audience.TEAM,
        RouteStep.legacy,
    )
)


def _build_step(
    step_id: str,
    channel: str,
    template: str,
    connection_id: str | None,
    position: int,
    connective: str,
    goal: str | None,
    wait_minutes: int | None,
    consented_only: bool,
    legacy: bool,
) -> plan.Step:
    return plan.Step(
        step_id,
        channel,
        template,
        connection_id,
        position=position,
        connective=connective,
        goal=goal,
        wait_minutes=wait_minutes,
        consented_only=consented_only,
        legacy=legacy,
    )


_OWNER = 1
_AUDIENCE = 2
_ROUTES = Statement(
    select(
        Route.id,
        Route.source_id,
        Route.audience,
        Route.enabled,
        Route.version,
        Route.continue_after_opt_out,
        Route.paid_when_missing,
        RouteStep.id,
        RouteStep.channel,
        RouteStep.template,
        RouteStep.connection_id,
        RouteStep.position,
        RouteStep.connective,
        RouteStep.goal,
        RouteStep.wait_minutes,
        RouteStep.consented_only,
        RouteStep.legacy,
    )
    .outerjoin(RouteStep, RouteStep.route_id == Route.id)
    .outerjoin(Connection, Connection.id == RouteStep.connection_id)
    .where(
        Route.event_type == bindparam("event_type"),
        Route.replaced_at.is_(None),
        or_(Route.source_id.is_(None), Route.source_id == bindparam("source")),
        or_(
            Route.audience != Audience.TEAM,
            and_(
                Route.enabled,
                Connection.test == bindparam("test"),
                Connection.archived_at.is_(None),
            ),
        ),
    )
    .order_by(Route.id, RouteStep.position)
)


def build_people(
    request: RequestRecord,
    signers: Sequence[SignerRecord],
    candidates: Sequence[plan.Candidate],
    routes: Sequence[plan.Route],
) -> list[plan.Person]:
    """Return signers in the form that planning uses.

    Their chats are read if they prefer chats, or have no preference and a route has fallbacks.
    """
    by_chat = {
        candidate.connection.id: candidate.connection
        for candidate in candidates
        if candidate.direct_address_kind == Address.CHAT
    }
    chat_names = {
        name
        for connection in by_chat.values()
        for name in (connection.integration, connection.channel)
    }
    joins = bool(chat_names) and has_fallbacks(routes)
    preferring = {
        signer.id: people.addresses(signer)
        for signer in signers
        if chat_names & {*(signer.details.get("preference") or (chat_names if joins else ()))}
    }
    linked = {}
    if preferring:
        linked = chats.find_chats(preferring, request.source_id, list(by_chat))
    in_turn = {signer.id for signer in turns.signers_in_turn(request.signers)}
    persons = [
        _person(signer, linked.get(signer.id, {}), has_turn=signer.id in in_turn)
        for signer in signers
    ]
    return add_restrictions(persons, routes, candidates, request)


def _person(signer: SignerRecord, linked: dict[str, str], *, has_turn: bool) -> plan.Person:
    details = signer.details
    wants = details.get("send_to") or {}
    return plan.Person(
        id=signer.id,
        external_id=signer.external_id,
        has_not_signed=signer.has_not_signed,
        has_signed=signer.state == SignerState.SIGNED,
        role=signer.role,
        has_turn=has_turn,
        was_invited=signer.invited_at is not None or signer.has_acted,
        turn=signer.turn,
        no_reminder=reason_not_to_remind(signer),
        addresses=people.addresses(signer),
        send_to={
            Address.PHONE.value: wants.get("mobile_number", True),
            Address.EMAIL.value: wants.get("email", True),
        },
        preference=tuple(details.get("preference") or ()),
        locale=details.get("locale") or render.default_locale(),
        chats=linked,
        uses_all_addresses=bool(wants.get("mobile_number") and wants.get("email")),
    )
