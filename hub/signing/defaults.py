"""Define the routes and message texts that Signpost installs.

Signers get a route by SMS for each event and audience. Teams get text for each event.
"""

from __future__ import annotations

from sqlalchemy import select

from hub.core.vocabulary import Audience, Channel, EventType
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import new_id
from hub.models import Route, RouteStep, Template, TemplateVersion

# event, audience, template, text; values: title, sender, name, signer, link, download_link,
# remaining
SHIPPED = (
    (
        EventType.SENT,
        Audience.SIGNER,
        "request_sent",
        (
            'You\'ve been sent "{{ title }}" by {{ sender }}. Please review & sign{% if link %}: {{'
            " link }}{% else %}.{% endif %}"
        ),
    ),
    (
        EventType.SIGNED,
        Audience.OTHERS,
        "request_signed_others",
        (
            '{{ name }} has signed "{{ title }}".{% if remaining == 1 %} One more signature is'
            " needed to complete the document.{% elif remaining > 1 %} {{ remaining }} more"
            " signatures are needed to complete the document.{% endif %}"
        ),
    ),
    (
        EventType.SIGNED,
        Audience.SIGNER,
        "request_signed_actor",
        'Your signature on "{{ title }}" has been recorded.',
    ),
    (
        EventType.COMPLETED,
        Audience.SIGNER,
        "request_completed",
        (
            '"{{ title }}" has been accepted by all parties.'
            "{% if download_link %} Download your document here: {{ download_link }}{% endif %}"
        ),
    ),
    (
        EventType.REMINDER,
        Audience.SIGNER,
        "request_reminder",
        (
            'Reminder: "{{ title }}" is waiting for your signature{% if link %}: {{ link }}{% else'
            " %}.{% endif %}"
        ),
    ),
)
# texts of posts to a team; each connection chooses its events. values: title, sender,
# name, names, remaining
MISSING = '{{ remaining }} signature{{ "" if remaining == 1 else "s" }}'
FOR_TEAMS = {
    EventType.SENT: '{{ sender }} sent "{{ title }}" to {{ names }} for signature.',
    EventType.VIEWED: '{{ name }} opened "{{ title }}".',
    EventType.SIGNED: (
        '{{ name }} has signed "{{ title }}".{% if remaining %} '
        + MISSING
        + ' {{ "is" if remaining == 1 else "are" }} missing.{% endif %}'
    ),
    EventType.DECLINED: '{{ name }} has declined to sign "{{ title }}".',
    EventType.COMPLETED: '"{{ title }}" has been accepted by all parties.',
    EventType.REMINDER: (
        '{{ names }} {{ "was" if people == 1 else "were" }} reminded of "{{ title }}".'
    ),
    EventType.EXPIRED: (
        '"{{ title }}" has expired.{% if remaining %} '
        + MISSING
        + ' {{ "was" if remaining == 1 else "were" }} missing.{% endif %}'
    ),
    EventType.CANCELED: '{{ sender }} canceled "{{ title }}".',
}
# template → subject and text of an email. The link is also the button under the text.
FOR_EMAIL = {
    "request_sent": (
        '{{ sender }} sent you "{{ title }}" to sign',
        "{% if signer %}Hello {{ signer }},\n\n{% endif %}"
        '{{ sender }} sent you "{{ title }}". Please review and sign it.'
        "{% if link %}\n\n{{ link }}{% endif %}",
    ),
    "request_signed_others": (
        '{{ name }} signed "{{ title }}"',
        "{% if signer %}Hello {{ signer }},\n\n{% endif %}"
        '{{ name }} signed "{{ title }}".{% if remaining == 1 %} One more signature is needed to'
        " complete the document.{% elif remaining > 1 %} {{ remaining }} more signatures are needed"
        " to complete the document.{% endif %}",
    ),
    "request_signed_actor": (
        'Your signature on "{{ title }}" was recorded',
        "{% if signer %}Hello {{ signer }},\n\n{% endif %}"
        'Your signature on "{{ title }}" was recorded. No action is needed.',
    ),
    "request_completed": (
        '"{{ title }}" is complete',
        "{% if signer %}Hello {{ signer }},\n\n{% endif %}"
        'All parties signed "{{ title }}".'
        "{% if download_link %} You can download it here:\n\n{{ download_link }}{% endif %}",
    ),
    "request_reminder": (
        'Reminder: "{{ title }}" is waiting for your signature',
        "{% if signer %}Hello {{ signer }},\n\n{% endif %}"
        '"{{ title }}" from {{ sender }} is waiting for your signature.'
        "{% if link %}\n\n{{ link }}{% endif %}",
    ),
}
CHANNEL = Channel.SMS
LOCALE = "en"


def team_template_name(event_type: EventType) -> str:
    """Return the name of the template that an event's posts to a team use."""
    return f"team_{event_type.value.replace('.', '_')}"


@transaction
def install() -> None:
    """Add the shipped routes and templates that are missing, without changing existing ones."""
    for event_type, audience, name, text in SHIPPED:
        _add_template(event_type, name, CHANNEL, text)
        email_subject, email_text = FOR_EMAIL[name]
        _add_template(event_type, name, Channel.EMAIL, email_text, email_subject)
        _add_route(event_type, audience, name)
    for event_type, text in FOR_TEAMS.items():
        _add_template(event_type, team_template_name(event_type), Channel.CHAT, text)


def _add_template(
    event_type: EventType, name: str, channel: Channel, text: str, subject: str = ""
) -> None:
    existing = select(Template.id).where(
        Template.name == name, Template.channel == channel, Template.locale == LOCALE
    )
    if db.session.scalar(existing) is None:
        template = Template(
            id=new_id("tpl"),
            name=name,
            event_type=event_type.value,
            channel=channel.value,
            locale=LOCALE,
        )
        db.session.add(template)
        db.session.flush()
        db.session.add(
            TemplateVersion(template_id=template.id, number=1, subject=subject, text=text)
        )


def _add_route(event_type: EventType, audience: Audience, name: str) -> None:
    same = select(Route.id).where(
        Route.event_type == event_type,
        Route.audience == audience,
        Route.source_id.is_(None),
        Route.replaced_at.is_(None),
    )
    if db.session.scalar(same) is None:
        route = Route(id=new_id("rte"), event_type=event_type.value, audience=audience.value)
        route.steps.append(RouteStep(position=1, channel=CHANNEL.value, template=name))
        db.session.add(route)
        db.session.flush()
