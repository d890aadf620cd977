"""Edit message texts: drafts, published versions, and texts in other languages.

Each change names the revision that its admin saw, so that two admins do not overwrite each other.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from hub.core.errors import Conflict, NotFound
from hub.core.vocabulary import Audience
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import is_id, new_id, now
from hub.messaging.compose.render import SHIPPED_LOCALE, WRITTEN_CHANNELS
from hub.models import Template, TemplateVersion
from hub.models.template import JINJA
from hub.shared import audit

MAX_NOTE_LENGTH = 200  # characters


def find_template(template_id: str) -> Template:
    """Return a template. Raises NotFound."""
    template = db.session.get(Template, template_id) if is_id("tpl", template_id) else None
    if template is None:
        raise NotFound("no_such_text", "This text does not exist.")
    return template


def list_versions(template_id: str) -> Sequence[TemplateVersion]:
    """Return the versions of a template, the published one first."""
    query = select(TemplateVersion).where(TemplateVersion.template_id == template_id)
    return db.session.scalars(query.order_by(TemplateVersion.number.desc())).all()


def find_version(template_id: str, number: int) -> TemplateVersion:
    """Return a version of a template by its number. Raises NotFound."""
    query = select(TemplateVersion).where(
        TemplateVersion.template_id == template_id, TemplateVersion.number == number
    )
    version = db.session.scalar(query)
    if version is None:
        raise NotFound("no_such_version", "This version does not exist.")
    return version


@transaction
def save_draft(template_id: str, revision: int, subject: str, text: str) -> None:
    """Save a text without publishing it. Raises Conflict after another change."""
    template = _lock(template_id, revision)
    template.draft_subject = subject
    template.draft_text = text
    template.draft_by = audit.actor().name
    template.draft_at = now()
    audit.record("text.draft_saved", template.id, _title(template))


@transaction
def discard_draft(template_id: str, revision: int) -> None:
    """Delete the draft of a text. Raises Conflict after another change."""
    template = _lock(template_id, revision)
    _clear_draft(template)
    audit.record("text.draft_discarded", template.id, _title(template))


@transaction
def publish(template_id: str, revision: int, subject: str, text: str, note: str = "") -> int:
    """Publish a text as a new version, and delete the draft; return its number.

    `note`: the reason of the change. Raises Conflict after another change.
    """
    template = _lock(template_id, revision)
    _clear_draft(template)
    template.withdrawn_at = None
    number = _add_version(template, subject, text, note)
    audit.record("text.published", template.id, _title(template), version=number)
    return number


@transaction
def restore(template_id: str, revision: int, number: int) -> int:
    """Publish an earlier version again, as a new version; return its number. Raises Conflict."""
    template = _lock(template_id, revision)
    version = find_version(template_id, number)
    if version.syntax == JINJA:
        reason = "This version is in Jinja and is only shown. Write its text again to publish it."
        raise Conflict("jinja", reason)
    template.withdrawn_at = None
    restored = _add_version(template, version.subject, version.text, f"Restored version {number}")
    audit.record("text.published", template.id, _title(template), version=restored)
    return restored


@transaction
def withdraw(template_id: str, revision: int) -> bool:
    """Stop using a text that an admin added, so that another one stands in for it.

    It is used again once it is published. One that was never published is deleted. Return whether
    the text still exists. Raises Conflict after another change, and for a text of Signpost.
    """
    template = _lock(template_id, revision)
    versions = list_versions(template_id)
    if not can_withdraw(template, versions):
        reason = "No other text stands in for this one, so it cannot be removed. Edit it instead."
        raise Conflict("shipped_text", reason)
    audit.record("text.withdrawn", template.id, _title(template))
    if not versions:
        db.session.delete(template)
        return False
    _clear_draft(template)
    template.withdrawn_at = now()
    return True


def can_withdraw(template: Template, versions: Sequence[TemplateVersion]) -> bool:
    """Return whether an admin added a text, and another one can stand in for it."""
    if template.withdrawn_at is not None or any(version.shipped for version in versions):
        return False
    has_sms = template.channel in WRITTEN_CHANNELS and template.audience != Audience.TEAM
    return has_sms or template.locale != SHIPPED_LOCALE


@transaction
def add_text(origin: Template, channel: str, locale: str, subject: str, text: str) -> str:
    """Add a text of the same event in another language or channel; return its ID.

    It starts as a draft, and is sent once it is published. Raises Conflict if it exists.
    """
    same = select(Template.id).where(
        Template.name == origin.name, Template.channel == channel, Template.locale == locale
    )
    if db.session.scalar(same) is not None:
        raise Conflict("exists", "This text already exists. Edit it instead.", field="locale")
    template = Template(
        id=new_id("tpl"),
        name=origin.name,
        event_type=origin.event_type,
        audience=origin.audience,
        channel=channel,
        locale=locale,
        revision=1,
        draft_subject=subject,
        draft_text=text,
        draft_by=audit.actor().name,
        draft_at=now(),
    )
    db.session.add(template)
    audit.record("text.added", template.id, _title(template))
    return template.id


def _lock(template_id: str, revision: int) -> Template:
    """Return a template for a change, with its next revision. Raises NotFound, Conflict."""
    query = select(Template).where(Template.id == template_id).with_for_update()
    template = db.session.scalar(query.execution_options(populate_existing=True))
    if template is None:
        raise NotFound("no_such_text", "This text does not exist.")
    if template.revision != revision:
        reason = (
            "This text was changed after you opened it. Compare it with the newest version under"
            " Versions. Save again to replace it."
        )
        raise Conflict("changed_meanwhile", reason)
    template.revision += 1
    return template


def _clear_draft(template: Template) -> None:
    template.draft_subject = ""
    template.draft_text = None
    template.draft_by = ""
    template.draft_at = None


def _add_version(template: Template, subject: str, text: str, note: str) -> int:
    versions = list_versions(template.id)
    number = versions[0].number + 1 if versions else 1
    db.session.add(
        TemplateVersion(
            template_id=template.id,
            number=number,
            subject=subject,
            text=text,
            author_id=audit.actor().user_id,
            note=note[:MAX_NOTE_LENGTH],
        )
    )
    return number


def _title(template: Template) -> str:
    return f"{template.name} ({template.channel}, {template.locale})"
