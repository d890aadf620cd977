"""Describe the timeline of a message, and the reason why it failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import select

from hub import integrations
from hub.core.errors import NotFound
from hub.core.vocabulary import Status
from hub.db.engine import db
from hub.endpoints.catalog import LINK_OPENED
from hub.integrations.base import Integration, Problem
from hub.lib import phones
from hub.lib.text import within_sentence
from hub.messaging.policy.policy import QUIET
from hub.messaging.send import predecessors
from hub.messaging.track import link_opens
from hub.messaging.track.block_descriptions import describe_block
from hub.messaging.track.call_timeline import CALL_TITLES, insert_delivery, is_opted_out_by_key
from hub.messaging.track.error_codes import BY_STATUS, CODES, KEY_PRESSED
from hub.messaging.track.link_opens import LinkOpens
from hub.messaging.track.timeline_entries import Entry as Entry
from hub.models import Attempt, Connection, Event, Message, PlatformEvent, StatusEvent


def timeline(message: Message) -> list[Entry]:
    """Return the entries of a message's timeline, oldest first."""
    provider = integrations.provider_name(message.connection.integration, message.connection.title)
    attempts = db.session.scalars(
        select(Attempt).where(Attempt.message_id == message.id).order_by(Attempt.number)
    ).all()
    facts = db.session.scalars(
        select(StatusEvent).where(StatusEvent.message_id == message.id).order_by(StatusEvent.id)
    ).all()
    query = select(PlatformEvent.type).where(PlatformEvent.message_id == message.id)
    event_types = {name.partition("_")[2]: name for name in db.session.scalars(query)}
    entries = [Entry(message.created_at, "planned", "Created", _planned_text(message))]
    for attempt in attempts:
        entries += _attempt_entries(attempt, provider, event_types)
    opens = link_opens.read_opens_of(message)
    entries += [
        _fact_entry(fact, message, provider, event_types)
        for fact in facts
        if opens is None or fact.provider_status != link_opens.OPENED
    ]
    entries += _open_entries(opens)
    entries += _reached_twice(message)
    if Status.read(message.status).is_delivered:  # a key of a call counts in any order
        entries = [replace(one, code="") if one.kind == "completed" else one for one in entries]
    return insert_delivery(sorted(entries, key=lambda entry: entry.at))


def _planned_text(message: Message) -> str:
    if message.after_id:
        former = db.session.get(Message, message.after_id)
        is_next_step = former is not None and former.step_id != message.step_id
        relation = "The next step after" if is_next_step else "Replaces"
        return f"{relation} the message {message.after_id}."
    event = db.session.get(Event, message.event_id) if message.event_id else None
    return f"For the event {event.type}." if event else "Direct message."


def _reached_twice(message: Message) -> list[Entry]:
    """Return an entry if an earlier message of the same notification was delivered as well."""
    if not (message.after_id and Status.read(message.status).is_delivered):
        return []
    former = predecessors.list_former(message.after_id)
    if not any(Status.read(row.status).is_delivered for row in former):
        return []
    text = "An earlier message of this notification was delivered too."
    return [Entry(message.changed_at, "reached_twice", "Reached twice", text)]


def _open_entries(opens: LinkOpens | None) -> list[Entry]:
    """Return entries about the first and the last time that a short link was opened."""
    if opens is None:
        return []
    kind = link_opens.OPENED.replace(" ", "_")
    entries = [Entry(opens.first_at, kind, "Link opened", link_opens.HINT, event=LINK_OPENED)]
    if opens.count > 1:
        title = f"Link opened {opens.count:,} times"
        entries.append(Entry(opens.last_at, kind, title, "This is the last time so far."))
    return entries


def _attempt_entries(attempt: Attempt, provider: str, event_types: dict[str, str]) -> list[Entry]:
    if attempt.outcome in ("file missing", "file refused"):
        return [_file_entry(attempt, provider, event_types)]
    started = Entry(
        attempt.started_at,
        "handed_over",
        f"Sent to {within_sentence(provider)}",
        f"Attempt {attempt.number}.",
        attempt=attempt.number,
    )
    if attempt.outcome is None or attempt.ended_at is None:
        return [started]
    duration = f" after {attempt.milliseconds:,} ms" if attempt.milliseconds is not None else ""
    response = f" with HTTP {attempt.http_status}" if attempt.http_status else ""
    call_details: dict[str, Any] = {
        "attempt": attempt.number,
        "code": attempt.code,
        "http_status": attempt.http_status,
        "provider_request": attempt.request_ref,
        "milliseconds": attempt.milliseconds,
    }
    if attempt.outcome == "accepted":
        sender = f" From {_format_sender(attempt.sender)}." if attempt.sender else ""
        text = f"Attempt {attempt.number}, accepted{duration}{response}.{sender}"
        title = f"Sent to {within_sentence(provider)}"
        return [
            Entry(
                attempt.started_at, "accepted", title, text, status=Status.ACCEPTED, **call_details
            )
        ]
    title, failure_status = _OUTCOME_TITLES.get(attempt.outcome, ("{provider} responded", None))
    result = Entry(
        attempt.ended_at,
        attempt.outcome,
        _format_title(title, provider),
        f"{attempt.reason} Attempt {attempt.number} ended{duration}{response}.",
        status=failure_status,
        decisive=attempt.outcome in ("failed", "unknown"),
        event=event_types.get("failed", "") if failure_status == Status.FAILED else "",
        **call_details,
    )
    return [started, result]


def _format_title(template: str, provider: str, **values: str) -> str:
    name = provider if template.startswith("{provider}") else within_sentence(provider)
    return template.format(provider=name, **values)


def _format_sender(sender: str) -> str:
    return phones.format_number(sender) if sender.startswith("+") else sender


def _file_entry(attempt: Attempt, provider: str, event_types: dict[str, str]) -> Entry:
    """Return the entry of an attempt that failed because of its file, without a provider call."""
    status = Status.FAILED if attempt.outcome == "file refused" else None
    return Entry(
        attempt.ended_at or attempt.started_at,
        str(attempt.outcome).replace(" ", "_"),
        "The file cannot be attached",
        f"{attempt.reason} {provider} was not called. Attempt {attempt.number}.",
        status=status,
        attempt=attempt.number,
        code=attempt.code,
        milliseconds=attempt.milliseconds,
        decisive=status is not None,
        event=event_types.get("failed", "") if status else "",
    )


_OUTCOME_TITLES = {
    "transient": ("Temporary error at {provider}", None),
    "slowed": ("Rate limited by {provider}", None),
    "unreachable": ("Could not reach {provider}", None),
    "unknown": ("Result unknown", Status.UNKNOWN),
    "destination": ("{provider} rejected the destination", None),
    "failed": ("Rejected by {provider}", Status.FAILED),
    "broken": ("{provider} rejects all messages", None),
}


def _fact_entry(
    fact: StatusEvent, message: Message, provider: str, event_types: dict[str, str]
) -> Entry:
    status = Status.read(fact.status) if fact.status else None
    if fact.source == "hub":
        title, text = _HUB_FACTS.get(fact.provider_status, (fact.provider_status.capitalize(), ""))
        if fact.provider_status == "suppressed":
            text = describe_block(fact.code, message.channel, message.connection.integration)
        if fact.reason:
            text = f"{text} {fact.reason[:1].upper()}{fact.reason[1:].rstrip('.')}.".strip()
    else:
        known = CALL_TITLES.get(fact.provider_status) or _REPORTED_TITLES.get(status)
        word = fact.provider_status or "nothing"
        title = _format_title(known or "{provider} reports {word}", provider, word=word)
        text = " ".join(filter(None, (fact.reason, _PROOF_TEXTS.get(fact.source, ""))))
    return Entry(
        fact.at,
        fact.provider_status.replace(" ", "_"),
        title,
        text,
        status=status,
        source=fact.source,
        attempt=fact.attempt or None,
        provider_status="" if fact.source == "hub" else fact.provider_status,
        code=fact.code,
        event=event_types.get(status, "") if status else "",
        decisive=bool(status and status.final),
    )


_HUB_FACTS = {
    "suppressed": ("Not sent", ""),
    "canceled": ("Canceled", "Canceled before it was sent."),
    "reached": ("Not needed", "An earlier message has reached the recipient."),
    "taken back": (
        "Canceled",
        "Its connection does not send, so the next step of the route followed.",
    ),
    "skipped": ("Steps skipped", ""),
    "step expired": (
        "Next step expired",
        "It was due for more than 24 hours, for example after an outage, so it was left out.",
    ),
    "stopped": ("Stopped", "The message was no longer needed."),
    "too late": (
        "Too late to cancel",
        "The message was being sent when it became unnecessary. It is not retried, and no other"
        " step follows.",
    ),
    "withdrawn": (
        "Cancellation requested",
        "The message was no longer needed, so the provider was asked to cancel it.",
    ),
    "not withdrawn": ("Not canceled", "The provider could not cancel the message."),
    "expired": ("Expired", "The message could not be sent in time."),
    "erased": ("Not sent", ""),
    "quiet hours": (
        "Waiting for the end of quiet hours",
        "It is, or may be, within quiet hours in the recipient’s time zone.",
    ),
    "waits for completion": (
        "Waiting for the completion",
        "The last signer signed. If the request is completed within a minute, that notification"
        " is sent instead.",
    ),
    "waits for retry": ("Waiting for the next try", "The connection tries again after a wait."),
    "unreadable": ("Waiting for a value that cannot be read", ""),
    "lease expired": (
        "The worker ended",
        "It ended before the provider responded, so the result is unknown.",
    ),
    "proved absent": (
        "Not found at the provider",
        "The provider did not accept the message, so Signpost sends it again.",
    ),
    "found": ("Found at the provider", "The provider had accepted the message."),
    "undecided": (
        "Result still unknown",
        "The provider’s list does not show it. Resend the message only if a duplicate does no"
        " harm.",
    ),
    "made again": ("Repeated", "Repeating an update does not change its result."),
    "nothing to edit": ("Not updated", "The post to update does not exist."),
    "unanswered": (
        "Result still unknown",
        (
            "The provider did not respond for a day. Resend the message only if a duplicate does"
            " no harm."
        ),
    ),
    "set up anew": (
        "Result still unknown",
        (
            "The account or sender of the connection has changed since, so Signpost"
            " cannot look it up. Resend the message only if a duplicate does no harm."
        ),
    ),
    "file gone": ("Not sent", "The attached file was deleted."),
    "taken over": ("Sent again as a template", "The 24-hour window was closed for free text."),
    "link not shortened": (
        "Shortening service failed",
        "The message contains the short link of Signpost.",
    ),
    "tried again": ("Scheduled again", "The connection tries again later."),
    "gone": (
        "Deleted at the provider",
        "No more status reports will arrive.",
    ),
}
_REPORTED_TITLES: dict[Status | None, str] = {
    Status.SENT: "Sent to the carrier",
    Status.DELIVERED: "Delivered",
    Status.READ: "Read",
    Status.UNDELIVERED: "Reported undelivered by {provider}",
    Status.FAILED: "Reported failed by {provider}",
}
_PROOF_TEXTS = {
    "callback": "The signature of the callback was verified.",
    "poll": "Signpost asked the provider.",
    "find": "Found in the provider’s list of messages.",
    "answer": "Reported when the provider accepted the message.",
}


def explain_failure(message: Message) -> Problem | None:
    """Explain why a message failed and how to fix it; return None if it has no problem."""
    status = Status.read(message.status)
    if not message.code and status not in BY_STATUS:
        return None
    code = (
        "window_closed_text"
        if message.code == "window_closed" and message.event_id is None
        else message.code
    )
    problem = (
        KEY_PRESSED
        if is_opted_out_by_key(message)
        else _provider_problem(message) or _hub_problem(code, status)
    )
    if problem is not None:
        return Problem(message.code, problem.text, problem.remedy, problem.url)
    general = BY_STATUS.get(status)
    if general is None or not message.code:
        return general and Problem(message.code, general.text, general.remedy)
    return Problem(
        message.code,
        f"{general.text} Signpost does not recognize the provider’s code {message.code}.",
        general.remedy,
    )


def _provider_problem(message: Message) -> Problem | None:
    """Return the integration's explanation of a message's code, or None if it has none."""
    # None if the row of the connection has a damaged ID, which must not hide other messages
    connection: Connection | None = message.connection
    if not message.code or connection is None:
        return None
    try:
        integration: type[Integration] = integrations.get(connection.integration)
    except NotFound:
        return None
    return integration.explain(message.code)


def explain_failures(messages: Sequence[Message]) -> dict[str, Problem]:
    """Return the problem of each message that has one, by message ID."""
    return {message.id: problem for message in messages if (problem := explain_failure(message))}


def _hub_problem(code: str, status: Status) -> Problem | None:
    """Return the problem of one of Signpost's own codes, or None for any other code.

    A message that is retried automatically needs no action.
    """
    if code.startswith("http_"):
        return Problem(
            "",
            f"The provider returned HTTP {code.removeprefix('http_')} without an error code.",
            _remedy(status),
        )
    problem = CODES.get(code)
    if problem is not None and status == Status.QUEUED:
        return Problem(
            "",
            problem.text,
            (
                "No action is needed. Signpost sends the message when the quiet hours end."
                if code == QUIET
                else "No action is needed. Signpost tries again automatically."
            ),
        )
    return problem


def _remedy(status: Status) -> str:
    return (
        "No action is needed. Signpost tries again automatically."
        if status == Status.QUEUED
        else BY_STATUS.get(status, BY_STATUS[Status.FAILED]).remedy
    )
