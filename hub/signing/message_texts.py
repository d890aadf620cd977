"""Render the texts of an event's messages and draft the messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from hub import integrations
from hub.core.vocabulary import Channel, EventType, Goal, Lane, PersonRole
from hub.db.types import now
from hub.integrations.base import Button, FilledTemplate
from hub.lib.plural_forms import language_of
from hub.lib.text import clean_line
from hub.messaging.compose import plan, provider_templates, render
from hub.messaging.compose.content import letterhead
from hub.messaging.compose.fitting import TooLong
from hub.messaging.compose.outbox import Draft
from hub.messaging.compose.short_links import ShortLink, shorten_values
from hub.messaging.compose.skipped_steps import LINK_EXPIRED
from hub.messaging.contacts.contacts import KnownAddress, prepare_contacts
from hub.messaging.policy.session_windows import WINDOW_CLOSED
from hub.models import ConnectionInfo, Recipient
from hub.signing import cards, chat_invitations, merged_notices, people, reminder_times
from hub.signing.signing_batch import RequestRecord, SignerRecord
from hub.signing.team_language import team_locale


@dataclass(frozen=True)
class EventRecord:
    """The values of an event that is about to be stored."""

    id: str
    external_id: str
    type: EventType
    occurred_at: datetime
    payload: dict[str, Any]
    is_stored: bool = False  # True for a scheduled event, whose row exists
    outdated: bool = False  # a newer event has changed the state of the request
    overtaken: bool = False  # the request ended after it
    is_planned_again: bool = False  # its row and its posts to a team exist


@dataclass(frozen=True)
class MessageText:
    """The text of a message and, for channels with session windows, its approved template."""

    rendered: render.Rendered
    template: FilledTemplate | None
    template_values: dict[str, Any] | None  # the template's name, locale and values
    letterhead: dict[str, Any] | None = None
    buttons: tuple[Button, ...] = ()
    link_expires_at: datetime | None = None  # of the link to a document, if the message has one
    links: tuple[ShortLink, ...] = ()


@dataclass(frozen=True)
class WrittenRung:
    """A rung of a ladder with its text, or the reason why it is skipped.

    A message that the provider accepts only as a template has both.
    """

    ladder: plan.PlannedLadder
    rung: plan.Rung
    text: MessageText | None
    reason: str = ""


@dataclass(frozen=True)
class MessageWriter:
    """Render the texts of an event's messages within the lengths that providers accept."""

    event: EventRecord
    request: RequestRecord
    actor: SignerRecord | None
    signers: Mapping[str, SignerRecord]
    connections: Mapping[str, ConnectionInfo]
    # links that invite to chats are left out, as if unknown, and short links are examples
    is_preview: bool = False

    def write_first(
        self, ladders: Mapping[bytes, plan.PlannedLadder]
    ) -> tuple[dict[bytes, WrittenRung], list[plan.SkippedStep]]:
        """Return the first rung of each ladder that has a text, and the steps without one."""
        written: dict[bytes, WrittenRung] = {}
        skipped = []
        for key, ladder in ladders.items():
            for item in self.write_rungs(ladder):
                if item.rung.can_act and item.text is None:
                    skipped.append(ladder.skip(item.rung.step, item.reason))
                if item.text is not None:
                    # a message that needs a template is stored only if no other rung can act
                    written.setdefault(key, item)
                    if not item.reason:
                        written[key] = item
                        break
        return written, skipped

    def write_rungs(self, ladder: plan.PlannedLadder) -> Iterator[WrittenRung]:
        """Yield the rungs of a ladder in their order, each with its text or a reason."""
        for rung in ladder.rungs:
            text = None
            reason = rung.reason
            if rung.can_act:
                try:
                    text = self._render(ladder.message(rung))
                except (TooLong, render.IncompleteText) as refusal:
                    reason = refusal.code
            if text is not None and text.link_expires_at and text.link_expires_at <= now():
                text = None
                reason = LINK_EXPIRED
            if text is not None and rung.candidate is not None and text.template is None:
                is_closed = rung.candidate.connection.id in ladder.person.closed_windows
                reason = WINDOW_CLOSED if is_closed else ""
            yield WrittenRung(ladder, rung, text, reason)

    def _render(self, item: plan.PlannedMessage) -> MessageText:
        connection = item.candidate.connection
        signer = self.signers[item.person.id]
        template = item.step.template
        channel = connection.channel
        locale = item.person.locale
        version = render.find_version(template, channel, locale)
        inviting = () if self.is_preview else self.connections.values()
        links = chat_invitations.links_for(version.names, inviting, self.request.source_id, signer)
        values = _values(self.event, self.request, signer, self.actor)
        integration_class = integrations.get(connection.integration)
        short = shorten_values(connection, version.names, values, is_preview=self.is_preview)
        rendered = render.fill_within(
            version,
            integration_class,
            integration_class.max_length,
            locale,
            values | links | {name: link.url for name, link in short},
            is_shared=self._shares_address(signer, item.kind),
        )
        sender: dict[str, Any] | None = None
        buttons: tuple[Button, ...] = ()
        if integration_class.uses_letterhead:
            is_reminder = self.event.type == EventType.REMINDER
            spoken = channel == Channel.VOICE
            # the voice must match the language of the text, not the preference of the reader
            text_locale = _spoken_locale(locale, version.locale) if spoken else locale
            sender = letterhead(text_locale, self.request.sender, reminds=is_reminder)
            buttons = () if spoken else cards.signer_buttons(self.event.type, values)
        shows_link = "download_link" in version.names or bool(buttons)
        link_expires_at = _link_expiry(self.event, signer) if shows_link else None
        if not (integration_class.session_window or integration_class.prefers_templates):
            shown = tuple(link for _, link in short if link.url in rendered.text)
            return MessageText(rendered, None, None, sender, buttons, link_expires_at, shown)
        filled = provider_templates.fill_mapped(
            connection.id, template, locale, values, integration_class
        )
        says = {"name": template, "locale": locale, "values": values}
        return MessageText(rendered, filled, says, sender, buttons, link_expires_at)

    def _shares_address(self, signer: SignerRecord, kind: str) -> bool:
        """Return whether another signer of the request has the same address of a kind."""
        shared = self._shared_addresses
        return bool(shared) and (kind, people.addresses(signer).get(kind)) in shared

    @cached_property
    def _shared_addresses(self) -> frozenset[tuple[str, str]]:
        return people.shared_addresses(self.request)

    def to_team(
        self, items: Mapping[bytes, plan.PlannedPost], reminded: Sequence[SignerRecord]
    ) -> tuple[dict[bytes, render.Rendered], list[plan.SkippedStep]]:
        """Render posts to a team; return their texts, and the steps whose text is too long."""
        if not items:
            return {}, []
        values = _values_for_team(self.event, self.request, reminded, self.actor)
        texts: dict[bytes, render.Rendered] = {}
        skipped = []
        for key, item in items.items():
            connection = item.connection
            integration_class = integrations.get(connection.integration)
            max_length = integration_class.max_post_length or integration_class.max_length * 3 // 4
            try:
                texts[key] = render.render_within(
                    integration_class,
                    max_length,
                    item.step.template,
                    connection.channel,
                    team_locale(self.request.source_id),
                    values,
                )
            except (TooLong, render.IncompleteText) as refusal:
                skipped.append(plan.SkippedStep("", item.step.channel, refusal.code))
        return texts, skipped

    def drafts(self, written: Mapping[bytes, WrittenRung]) -> list[Draft]:
        """Return the drafts of messages to people. Storing them stores new recipients, too."""
        items = {key: item.ladder.message(item.rung) for key, item in written.items()}
        addresses = {_known_address(item, self.signers[item.person.id]) for item in items.values()}
        recipients = prepare_contacts(addresses, test=self.request.test) if addresses else {}
        return [
            self._draft(items[key], item.text, recipients[items[key].kind, items[key].to], key)
            for key, item in written.items()
            if item.text is not None
        ]

    def _draft(
        self, item: plan.PlannedMessage, text: MessageText, recipient: Recipient, key: bytes | None
    ) -> Draft:
        event = self.event
        request = self.request
        return Draft(
            connection=item.candidate.connection,
            recipient=recipient,
            text=text.rendered.text,
            subject=text.rendered.subject,
            source_id=request.source_id,
            event_id=event.id,
            request_id=request.id,
            signer_id=item.person.id,
            step_id=item.step.id,
            template_version_id=text.rendered.version_id,
            locale=text.rendered.locale,
            template=text.template,
            template_values=text.template_values,
            letterhead=text.letterhead,
            buttons=text.buttons,
            lane=Lane.BULK if event.type == EventType.REMINDER else Lane.NOW,
            dedup_key=key,
            fallback_goal=item.fallback_goal or self._goal_without_fallback(item),
            fallback_minutes=item.fallback_minutes,
            expires_at=_expiry(event, request),
            link_expires_at=text.link_expires_at,
            links=text.links,
            night=self._night(item),
            not_before=merged_notices.waits_until(event.type, request, self.actor, item.person.id),
        )

    def _goal_without_fallback(self, item: plan.PlannedMessage) -> str | None:
        """Return a goal for an email that asks to sign, so that a bounce is noticed.

        An email may bounce days after it was accepted, and the sender is notified then.
        """
        is_email = item.candidate.connection.channel == Channel.EMAIL
        asks = self.event.type.asks_to_sign and item.person.role == PersonRole.SIGNER
        return Goal.DELIVERED.value if is_email and asks else None

    def _night(self, item: plan.PlannedMessage) -> str | None:
        """Return the night in which an automatic reminder is not sent, if it is one."""
        is_automatic = self.event.type == EventType.REMINDER and self.event.payload.get("automatic")
        if not is_automatic:
            return None
        return reminder_times.stored_night(self.request, self.signers[item.person.id])


def _spoken_locale(locale: str, text_locale: str) -> str:
    """Return the locale of a text, or that of its reader if both are of one language."""
    return locale if language_of(locale) == language_of(text_locale) else text_locale


def _known_address(item: plan.PlannedMessage, signer: SignerRecord) -> KnownAddress:
    return KnownAddress(
        item.kind, item.to, signer.details.get("name") or "", signer.details.get("time_zone") or ""
    )


def _expiry(event: EventRecord, request: RequestRecord) -> datetime | None:
    return request.expires_at if event.type.asks_to_sign else None


def _link_expiry(event: EventRecord, signer: SignerRecord) -> datetime | None:
    """Return when the link to the document in a message expires, if the app has reported it.

    Links to sign have no such time: the request has one.
    """
    owner = signer.details if signer.details.get("download_url") else event.payload
    is_linked = event.type == EventType.COMPLETED and bool(owner.get("download_url"))
    stored = owner.get(people.LINK_EXPIRY) if is_linked else None
    return datetime.fromisoformat(stored) if stored else None


# ── Values of templates ───────────────────────────────────────────────────────────────────────────
def _values(
    event: EventRecord, request: RequestRecord, signer: SignerRecord, actor: SignerRecord | None
) -> dict[str, Any]:
    """Return the values of texts for a signer; a missing one is ''."""
    details = signer.details
    return {
        "title": clean_line(request.title or ""),
        "sender": cards.sender_name(request, ""),
        "name": cards.button_name(actor) if actor else "",
        "signer": details.get("name") or "",
        "link": signer.signing_url or "",
        "download_link": details.get("download_url") or event.payload.get("download_url") or "",
        "remaining": request.remaining,
        "expiry_date": cards.expiry_day(request, details.get("time_zone") or ""),
    }


def _values_for_team(
    event: EventRecord,
    request: RequestRecord,
    reminded: Sequence[SignerRecord],
    actor: SignerRecord | None,
) -> dict[str, Any]:
    """Return the values of texts for a team, without the signers' own links.

    `reminded`: the signers who receive the reminder.
    """
    named = reminded if event.type == EventType.REMINDER else request.signers
    return {
        "title": clean_line(request.title or ""),
        "sender": cards.sender_name(request, ""),
        "name": cards.signer_name(actor) if actor else "",
        "names": [cards.signer_name(signer) for signer in named],
        "people": len(named),
        "download_link": event.payload.get("download_url") or "",
        "remaining": request.remaining,
        "expiry_date": cards.expiry_day(request),
    }
