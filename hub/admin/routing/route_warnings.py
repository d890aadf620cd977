"""Find steps of routes that cannot work, each with the reason and the next step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from flask import url_for
from sqlalchemy import exists, select

from hub import integrations
from hub.admin.view.status_badges import channel_title
from hub.core.vocabulary import Audience, Channel, ConnectionState, Connective, EventType
from hub.db.engine import db
from hub.messaging.compose.provider_templates import APPROVED
from hub.messaging.policy.policy import get_rules
from hub.models import Connection, Consent, ProviderTemplate, TemplateMapping
from hub.signing import routes
from hub.signing.routes import TEMPLATES, RouteIn, StepIn

STATES: Mapping[str, str] = {
    ConnectionState.NEW: "is not enabled yet",
    ConnectionState.DISABLED: "is disabled",
    ConnectionState.BROKEN: "is broken",
}
# what a channel sends to; the chats of two connections differ
ADDRESSES: Mapping[str, str] = {
    Channel.SMS: "number",
    Channel.WHATSAPP: "number",
    Channel.VOICE: "number",
    Channel.EMAIL: "address",
}


@dataclass(frozen=True)
class RouteWarning:
    """A step that cannot work: the reason, and a link to the page where it can be changed."""

    short: str  # for the grid, such as `WhatsApp: no approved template`
    reason: str  # for the panel
    link: str  # the next step, as the text of the link
    href: str
    # False: the step is skipped as its route intends, such as where a channel is not connected
    is_urgent: bool = True


@dataclass(frozen=True)
class RouteChecks:
    """The checks of routes, with the connections and the approved templates of their texts."""

    connections: Mapping[str, Connection]
    mapped: frozenset[tuple[str, str]]  # connection and text
    _consented: dict[str, bool] = field(default_factory=dict)  # by channel, read when needed

    def find_warnings(self, event_type: str, audience: str, entered: RouteIn) -> list[RouteWarning]:
        """Return why steps of a route cannot work, each reason once."""
        if entered.steps and not any(self._sending(step) for step in entered.steps):
            return [self._nobody(entered.steps)]
        template = TEMPLATES[EventType(event_type), Audience(audience)]
        found: dict[str, RouteWarning] = {}
        for index, step in enumerate(entered.steps):
            before = entered.steps[index - 1] if index else None
            for warning in self._step_warnings(step, before, template):
                found.setdefault(warning.reason, warning)
            if note := self._same_address(index, entered.steps):
                found.setdefault(note.reason, note)
        return list(found.values())

    def _step_warnings(
        self, step: StepIn, before: StepIn | None, template: str
    ) -> Iterator[RouteWarning]:
        """Yield the problems of a step itself, and of its condition."""
        title = self._title(step)
        sending = self._sending(step)
        if not sending:
            yield self._not_sending(step)
        elif self._needs_template(sending, template):
            hours = min(_window_hours(connection) for connection in sending)
            yield RouteWarning(
                f"{title}: no approved template.",
                f"{title} reaches only people who have written in the last {hours:g} hours, because"
                " this message has no approved template.",
                "Map a template",
                url_for("admin.templates"),
            )
        if sending and not self._has_consent(step.channel):
            is_required = all(get_rules(connection.info).consent for connection in sending)
            if is_required or step.consented_only:
                yield self._without_consent(title, is_required=is_required)
        unreported = before and routes.why_never_reported(step, before, self.connections)
        if before is not None and unreported:
            yield RouteWarning(
                f"{self._title(before)} never reports “{step.goal}”.",
                unreported,
                "Read about goals",
                url_for("admin.docs", slug="routing", _anchor="steps"),
            )

    def _same_address(self, index: int, steps: Sequence[StepIn]) -> RouteWarning | None:
        """Return a warning if a step and an earlier one send to the same address."""
        step = steps[index]
        first = next(number for number, other in enumerate(steps) if other.channel == step.channel)
        if first == index or step.channel not in ADDRESSES:
            return None
        reason = f"Steps {first + 1} and {index + 1} send to the same {ADDRESSES[step.channel]}"
        if step.connective == Connective.ALSO:
            chosen = {steps[first].connection_id, step.connection_id}
            differ = len(chosen) == 2 and None not in chosen
            reason += ", so the message arrives twice"
            reason += "" if differ else " unless both would use the same connection"
        return RouteWarning(
            f"{reason}.",
            f"{reason}.",
            "Read about steps",
            url_for("admin.docs", slug="routing", _anchor="steps"),
            is_urgent=False,
        )

    # ── Connections ───────────────────────────────────────────────────────────────────────────────
    def _fitting(self, step: StepIn) -> list[Connection]:
        return [
            connection
            for connection in self.connections.values()
            if connection.channel == step.channel
            and step.connection_id in (None, connection.id)
            and routes.reaches_people(connection)
        ]

    def _sending(self, step: StepIn) -> list[Connection]:
        return [connection for connection in self._fitting(step) if connection.enabled]

    def _title(self, step: StepIn) -> str:
        chosen = self.connections.get(step.connection_id or "")
        return chosen.title if chosen else channel_title(step.channel)

    def _nobody(self, steps: Sequence[StepIn]) -> RouteWarning:
        names = " or ".join(dict.fromkeys(self._title(step) for step in steps))
        reason = f"No enabled connection for {names}, so nothing is sent."
        return RouteWarning(
            reason,
            reason,
            "View integrations",
            url_for("admin.integrations"),
        )

    def _not_sending(self, step: StepIn) -> RouteWarning:
        """Return why no connection of a step sends now."""
        fitting = self._fitting(step)
        if fitting:
            broken = [row for row in fitting if row.state == ConnectionState.BROKEN]
            connection = (broken or fitting)[0]
            state = STATES.get(connection.state, "does not send")
            return RouteWarning(
                f"{connection.title} {state}.",
                f"{connection.title} {state}, so this step is skipped.",
                "View connection",
                url_for("admin.connection", slug=connection.slug),
            )
        if chosen := self.connections.get(step.connection_id or ""):
            reason = f"{chosen.title} posts to a team, so this step reaches nobody."
            url = url_for("admin.connection", slug=chosen.slug)
            return RouteWarning(reason, reason, "View connection", url)
        if step.connection_id:
            return RouteWarning(
                f"{channel_title(step.channel)}: connection archived.",
                f"The {channel_title(step.channel)} connection of a step was archived, so the step"
                " is skipped. Choose another one.",
                "View integrations",
                url_for("admin.integrations"),
            )
        return RouteWarning(
            f"{channel_title(step.channel)} is not connected.",
            f"{channel_title(step.channel)} is not connected, so this step is skipped.",
            "View integrations",
            url_for("admin.integrations"),
            is_urgent=False,
        )

    # ── Templates, consents and goals ─────────────────────────────────────────────────────────────
    def _needs_template(self, sending: Sequence[Connection], template: str) -> bool:
        """Return whether no connection of a step can send a message at any time."""
        return all(
            bool(_window_hours(connection)) and (connection.id, template) not in self.mapped
            for connection in sending
        )

    def _without_consent(self, title: str, *, is_required: bool) -> RouteWarning:
        """Return a warning about a missing consent. `is_required`: by the connection's rules."""
        reason = f"{title} requires a recorded consent, and none is recorded."
        if not is_required:
            reason = (
                f"No consent to {title} is recorded, so this step is used only for people who"
                " prefer the channel or have written recently."
            )
        return RouteWarning(
            f"{title}: no consent recorded.",
            reason,
            "Read how to record consents",
            url_for("admin.docs", slug="opt-outs", _anchor="consent"),
            is_urgent=is_required,
        )

    def _has_consent(self, channel: str) -> bool:
        """Return whether anyone has consented to messages over a channel."""
        if channel not in self._consented:
            consented = exists().where(Consent.given, Consent.channel.in_(("", channel)))
            self._consented[channel] = bool(db.session.scalar(select(consented)))
        return self._consented[channel]


def read_checks(connections: Mapping[str, Connection]) -> RouteChecks:
    """Read what the checks of routes need."""
    mapped = db.session.execute(
        select(TemplateMapping.connection_id, TemplateMapping.name)
        .join(ProviderTemplate, ProviderTemplate.id == TemplateMapping.provider_template_id)
        .where(ProviderTemplate.state == APPROVED)
    )
    return RouteChecks(
        connections,
        frozenset((connection_id, name) for connection_id, name in mapped),
    )


def _window_hours(connection: Connection) -> float:
    """Return the hours of free text after a person's message; 0: free text is always sent."""
    integration_class = integrations.registry().get(connection.integration)
    return integration_class.session_window if integration_class else 0
