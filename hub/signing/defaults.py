"""The routes and texts that ship: one route for each event and audience, by SMS."""

from __future__ import annotations

from sqlalchemy import select

from hub.extensions import db
from hub.models import Route, RouteStep, Template, TemplateVersion
from hub.models.types import new_id
from hub.store import transaction
from hub.vocabulary import Audience, Channel, EventType

# event, audience, template, text; values: title, sender, name, signer, link, download_link, remaining
SHIPPED = (
    (EventType.SENT, Audience.SIGNERS, "request_sent",
     'You\'ve been sent "{{ title }}" by {{ sender }}. Please review & sign{% if link %}: {{ link }}{% else %}.{% endif %}'),
    (EventType.SIGNED, Audience.OTHERS, "request_signed_others",
     '{{ name }} has signed "{{ title }}".'
     '{% if remaining == 1 %} One more signature is needed to complete the document.'
     '{% elif remaining > 1 %} {{ remaining }} more signatures are needed to complete the document.{% endif %}'),
    (EventType.SIGNED, Audience.ACTOR, "request_signed_actor", 'Your signature on "{{ title }}" has been recorded.'),
    (EventType.COMPLETED, Audience.SIGNERS, "request_completed",
     '"{{ title }}" has been accepted by all parties.'
     '{% if download_link %} Download your document here: {{ download_link }}{% endif %}'),
    (EventType.REMINDER, Audience.PENDING, "request_reminder",
     'Reminder: "{{ title }}" is waiting for your signature{% if link %}: {{ link }}{% else %}.{% endif %}'),
)  # fmt: skip
CHANNEL, LOCALE = Channel.SMS, "en"


@transaction
def install() -> None:
    """Add what ships where it is missing; what an admin changed stays."""
    for event_type, audience, name, text in SHIPPED:
        _template(event_type, name, text)
        _route(event_type, audience, name)


def _template(event_type: EventType, name: str, text: str) -> None:
    same = select(Template.id).where(Template.name == name, Template.channel == CHANNEL, Template.locale == LOCALE)
    if db.session.scalar(same) is None:
        template = Template(id=new_id("tpl"), name=name, event_type=event_type.value, channel=CHANNEL.value, locale=LOCALE)
        db.session.add(template)
        db.session.flush()
        db.session.add(TemplateVersion(template_id=template.id, number=1, text=text))


def _route(event_type: EventType, audience: Audience, name: str) -> None:
    same = select(Route.id).where(Route.event_type == event_type, Route.audience == audience, Route.source_id.is_(None))
    if db.session.scalar(same) is None:
        route = Route(id=new_id("rte"), event_type=event_type.value, audience=audience.value)
        route.steps.append(RouteStep(position=1, channel=CHANNEL.value, template=name))
        db.session.add(route)
        db.session.flush()
