"""Install the message texts of Signpost, in several languages, from the folder `texts`.

A text that an admin edited is never replaced. One that nobody edited gets a new version when a new
release of Signpost words it differently.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files

from sqlalchemy import func, select

from hub.core.vocabulary import TEXT_CHANNELS, Audience, Channel, EventType
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import new_id
from hub.lib import jinja_texts
from hub.models import Template, TemplateVersion
from hub.models.template import JINJA, SIGNPOST

LANGUAGES = ("en", "es", "fr", "de", "pt-BR", "pl")
# name of the text → event, audience
FOR_PEOPLE = {
    "request_sent": (EventType.SENT, Audience.SIGNER),
    "request_reminder": (EventType.REMINDER, Audience.SIGNER),
    "request_viewed_sender": (EventType.VIEWED, Audience.SENDER),
    "request_signed_actor": (EventType.SIGNED, Audience.SIGNER),
    "request_signed_others": (EventType.SIGNED, Audience.OTHERS),
    "request_signed_sender": (EventType.SIGNED, Audience.SENDER),
    "request_declined_sender": (EventType.DECLINED, Audience.SENDER),
    "request_declined_others": (EventType.DECLINED, Audience.OTHERS),
    "request_completed": (EventType.COMPLETED, Audience.SIGNER),
    "request_completed_sender": (EventType.COMPLETED, Audience.SENDER),
    "request_completed_observers": (EventType.COMPLETED, Audience.OBSERVERS),
    "request_expired_sender": (EventType.EXPIRED, Audience.SENDER),
    "request_expired_others": (EventType.EXPIRED, Audience.OTHERS),
    "request_canceled": (EventType.CANCELED, Audience.SIGNER),
}
SHIPPED_NOTE = "Installed by Signpost"
KEPT_NOTE = "Replaces a text in Jinja that Signpost no longer sends"
# the texts that 0.2.0 installed, by the start of the SHA-256 of their subject, NUL and text
OF_0_2_0 = frozenset(
    {
        "04637d293bf31a72",  # request_sent sms
        "32bcbf69d4584c09",  # request_sent email
        "79369f2e99342279",  # request_signed_others sms
        "09ff3d532a371854",  # request_signed_others email
        "d8fc839c9b5ef09c",  # request_signed_actor sms
        "3fe72b47b4a92790",  # request_signed_actor email
        "480e2b290f980062",  # request_completed sms
        "582679e4af7a1189",  # request_completed email
        "60d1edc0643cc851",  # request_reminder sms
        "4caf523bf88a2359",  # request_reminder email
        "175ccd0996b5ffd7",  # team_request_sent chat
        "36bd9027899c0fe5",  # team_request_viewed chat
        "c12b4ecdf9871aa9",  # team_request_signed chat
        "bb5bf76ef76aff74",  # team_request_declined chat
        "b4e746b21a9cd304",  # team_request_completed chat
        "65677d9de0fb373f",  # team_request_reminder chat
        "5770d6b8eb6d7f52",  # team_request_expired chat
        "1321d4ab5da0b78e",  # team_request_canceled chat
    }
)


@dataclass(frozen=True)
class ShippedText:
    """A text of Signpost in one language."""

    name: str
    event_type: EventType
    audience: Audience
    channel: Channel
    locale: str
    subject: str
    text: str


def team_template_name(event_type: EventType) -> str:
    """Return the name of the template that an event's posts to a team use."""
    return f"team_{event_type.value.replace('.', '_')}"


CELLS = FOR_PEOPLE | {team_template_name(kind): (kind, Audience.TEAM) for kind in EventType}


def read_shipped_texts() -> Iterator[ShippedText]:
    """Return every text of Signpost."""
    for locale in LANGUAGES:
        path = files(__package__).joinpath(f"texts/{locale}.toml")
        yield from parse_texts(path.read_text("utf-8"), locale)


def parse_texts(source: str, locale: str) -> Iterator[ShippedText]:
    """Return the texts of a file of one language, for each channel with its own text."""
    for name, words in tomllib.loads(source).items():
        event_type, audience = CELLS[name]
        for channel in TEXT_CHANNELS:
            if channel in words:
                subject = words["subject"] if channel == Channel.EMAIL else ""
                yield ShippedText(
                    name, event_type, audience, channel, locale, subject, words[channel]
                )


@transaction
def install_texts() -> None:
    """Add the texts that are missing, and renew those that nobody edited."""
    newest = _read_newest()
    for shipped in read_shipped_texts():
        found = newest.get((shipped.name, shipped.channel, shipped.locale.lower()))
        if found is None:
            _add_template(shipped)
        elif (note := _reason_to_renew(found[1], shipped)) is not None:
            _add_version(found[0], shipped, found[1].number + 1, note)
    db.session.flush()


def _read_newest() -> dict[tuple[str, str, str], tuple[Template, TemplateVersion]]:
    """Return each template with its newest version, by name, channel and locale."""
    number = (
        select(func.max(TemplateVersion.number))
        .where(TemplateVersion.template_id == Template.id)
        .correlate(Template)
        .scalar_subquery()
    )
    query = (
        select(Template, TemplateVersion)
        .join(TemplateVersion, TemplateVersion.template_id == Template.id)
        .where(TemplateVersion.number == number)
    )
    return {
        (template.name, template.channel, template.locale.lower()): (template, version)
        for template, version in db.session.execute(query)
    }


def _reason_to_renew(version: TemplateVersion, shipped: ShippedText) -> str | None:
    """Return the note of the version that replaces an installed text, or None to keep it."""
    if version.syntax == JINJA:
        if _digest(version) in OF_0_2_0:
            return SHIPPED_NOTE
        safe = jinja_texts.is_safe(version.subject) and jinja_texts.is_safe(version.text)
        return None if safe else KEPT_NOTE
    is_equal = (version.subject, version.text) == (shipped.subject, shipped.text)
    return SHIPPED_NOTE if version.shipped and not is_equal else None


def _digest(version: TemplateVersion) -> str:
    return hashlib.sha256(f"{version.subject}\0{version.text}".encode()).hexdigest()[:16]


def _add_template(shipped: ShippedText) -> None:
    template = Template(
        id=new_id("tpl"),
        name=shipped.name,
        event_type=shipped.event_type.value,
        audience=shipped.audience.value,
        channel=shipped.channel.value,
        locale=shipped.locale,
        revision=0,
    )
    db.session.add(template)
    _add_version(template, shipped, 1, SHIPPED_NOTE)


def _add_version(template: Template, shipped: ShippedText, number: int, note: str) -> None:
    template.revision += 1
    db.session.add(
        TemplateVersion(
            template_id=template.id,
            number=number,
            subject=shipped.subject,
            text=shipped.text,
            syntax=SIGNPOST,
            shipped=True,
            note=note,
        )
    )
