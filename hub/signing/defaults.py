"""Install the routes of Signpost: whom each event notifies, over which channels, in which order.

Routes that an admin edited are never replaced.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from hub.core.vocabulary import Audience, Channel, Connective, EventType, Goal
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import new_id, now
from hub.models import Route, RouteStep
from hub.signing.shipped_texts import install_texts


@dataclass(frozen=True)
class DefaultStep:
    """A step of an installed route. The first one always acts, the others are fallbacks."""

    channel: Channel
    wait_minutes: int | None = None  # None: only a failure of the step before moves on
    consented_only: bool = False


@dataclass(frozen=True)
class DefaultRoute:
    """A route that Signpost installs."""

    event_type: EventType
    audience: Audience
    template: str
    steps: Sequence[DefaultStep]
    paid_when_missing: int | None = None


# a signer's preference, which planning puts first, then the phone, then email
PHONE_FIRST = (
    DefaultStep(Channel.WHATSAPP, consented_only=True),
    DefaultStep(Channel.SMS, wait_minutes=30),
    DefaultStep(Channel.EMAIL),
)
EMAIL_FIRST = (DefaultStep(Channel.EMAIL), DefaultStep(Channel.SMS))

# of ten signers, each signature would cause nine paid messages
PAID_WHEN_MISSING = 1

ROUTES = (
    DefaultRoute(EventType.SENT, Audience.SIGNER, "request_sent", PHONE_FIRST),
    DefaultRoute(EventType.REMINDER, Audience.SIGNER, "request_reminder", PHONE_FIRST),
    DefaultRoute(EventType.SIGNED, Audience.SIGNER, "request_signed_actor", PHONE_FIRST),
    DefaultRoute(
        EventType.SIGNED, Audience.OTHERS, "request_signed_others", PHONE_FIRST, PAID_WHEN_MISSING
    ),
    DefaultRoute(EventType.SIGNED, Audience.SENDER, "request_signed_sender", EMAIL_FIRST),
    DefaultRoute(EventType.DECLINED, Audience.OTHERS, "request_declined_others", PHONE_FIRST),
    DefaultRoute(EventType.DECLINED, Audience.SENDER, "request_declined_sender", EMAIL_FIRST),
    DefaultRoute(EventType.COMPLETED, Audience.SIGNER, "request_completed", PHONE_FIRST),
    DefaultRoute(EventType.COMPLETED, Audience.SENDER, "request_completed_sender", EMAIL_FIRST),
    DefaultRoute(
        EventType.COMPLETED, Audience.OBSERVERS, "request_completed_observers", EMAIL_FIRST
    ),
    DefaultRoute(EventType.EXPIRED, Audience.OTHERS, "request_expired_others", PHONE_FIRST),
    DefaultRoute(EventType.EXPIRED, Audience.SENDER, "request_expired_sender", EMAIL_FIRST),
    DefaultRoute(EventType.CANCELED, Audience.SIGNER, "request_canceled", PHONE_FIRST),
)


@transaction
def install() -> None:
    """Add the texts and routes that are missing, and replace the routes of 0.2.0."""
    install_texts()
    in_force = {
        (route.event_type, route.audience): route
        for route in db.session.scalars(
            select(Route).where(Route.source_id.is_(None), Route.replaced_at.is_(None))
        )
    }
    for default in ROUTES:
        existing = in_force.get((default.event_type, default.audience))
        if existing is None:
            _add_route(default, version=1)
        elif _is_of_0_2_0(existing, default):
            existing.replaced_at = now()
            db.session.flush()  # the unique index allows one route in force
            _add_route(default, version=existing.version + 1)


def _is_of_0_2_0(route: Route, default: DefaultRoute) -> bool:
    """Return whether a route is the one that version 0.2.0 installed: a text message."""
    if len(route.steps) != 1 or not route.enabled or route.author_id is not None:
        return False
    [step] = route.steps
    return (
        step.legacy
        and (step.channel, step.connection_id) == (Channel.SMS, None)
        and step.template == default.template
    )


def _add_route(default: DefaultRoute, *, version: int) -> None:
    route = Route(
        id=new_id("rte"),
        event_type=default.event_type.value,
        audience=default.audience.value,
        version=version,
        paid_when_missing=default.paid_when_missing,
    )
    for position, step in enumerate(default.steps, 1):
        is_first = position == 1
        route.steps.append(
            RouteStep(
                position=position,
                connective=(Connective.ALSO if is_first else Connective.OTHERWISE).value,
                goal=None if is_first else Goal.DELIVERED.value,
                wait_minutes=step.wait_minutes,
                consented_only=step.consented_only,
                channel=step.channel.value,
                template=default.template,
            )
        )
    db.session.add(route)
    db.session.flush()
